"""The manifests for Kubernetes, played by podman: one serves, two are replaced."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.haproxy import MISSING
from tests.support.kube_play import PlayedPod, played_pod
from tests.support.pod_site import WHOLE, pod_site
from tests.support.podman import Podman

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]

# --- one pod


@pytest.fixture
async def pod(
    podman: Podman, slim: str, backend: ScriptedBackend, tmp_path: Path
) -> AsyncIterator[PlayedPod]:
    assert slim
    async with played_pod(podman, tmp_path / "pod", "alone", backend.url) as played:
        yield played


async def test_a_pod_speaks_with_the_token_of_its_secret(
    pod: PlayedPod, backend: ScriptedBackend
) -> None:
    assert (await pod.speak()).status == 200

    call = backend.calls.get_nowait()
    assert call.headers["authorization"] == f"Bearer {pod.token_as_mounted}"


async def test_its_metrics_are_on_a_port_of_their_own(pod: PlayedPod) -> None:
    async with await connect(pod.metrics_port) as client:
        page = (await client.ask("GET", "/metrics")).text

    assert "gateway_slots_held" in page
    assert (await pod.ask("GET", "/metrics")).status == 404


async def test_it_runs_with_the_rights_that_are_left(pod: PlayedPod) -> None:
    found = await pod.inspect()

    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    told = dict(line.split(":\t", 1) for line in status.splitlines())
    assert told["Uid"].split() == told["Gid"].split() == 4 * ["65532"]
    assert {told[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {16 * "0"}
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["Memory"] == 256 * 1024 * 1024


async def test_its_image_has_what_is_run_before_it_stops(pod: PlayedPod) -> None:
    command = pod.built.container["lifecycle"]["preStop"]["exec"]["command"]

    begun = time.monotonic()
    await pod.podman.run("exec", pod.container, *command)

    assert time.monotonic() - begun >= int(command[-1])
    assert (await pod.speak()).status == 200


# --- pods are replaced


async def test_pods_are_replaced_and_nobody_notices(
    podman: Podman, slim: str, tmp_path: Path
) -> None:
    assert slim
    async with pod_site(podman, tmp_path) as site, site.load(), site.long_streams():
        for name, pod in site.pods.items():
            await site.until_all_stream()
            await pod.stop()
            await pod.down()
            await site.proxy.until(name, "DOWN")

            await pod.play()
            await site.proxy.until(name, "UP")
            await site.until_all_answer()

    assert site.failed == []
    assert {(heard.status, heard.whole, heard.body) for heard in site.heard} == {(200, True, WHOLE)}
