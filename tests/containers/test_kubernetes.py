"""The manifests for Kubernetes: each is valid to its last field, and keeps what it promises."""

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from speech_gateway.middlewares.drain import CLEANUP_TIMEOUT
from tests.support.documents import KUBERNETES
from tests.support.kubernetes import (
    COMPONENTS,
    DEPLOY,
    KUSTOMIZE,
    VERSIONS,
    Built,
    Manifest,
    build,
    faults,
    overlay,
    seconds,
)
from tests.support.monitoring import RULES
from tests.support.paths import ROOT

NAME = {"app.kubernetes.io/name": "speech-gateway"}
CONTAINER = ("spec", "template", "spec", "containers", 0)
TOGETHER = ("autoscaling", "client-keys", "monitoring")
"""The components but for the one that takes something away."""
LONGEST_READINESS = 5
"""Seconds that /readyz may take: docs/settings.rst, --health."""


@pytest.fixture(scope="module")
def base() -> Built:
    return build(DEPLOY / "base")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The base with all that can be added to it."""
    return build(overlay(tmp_path_factory.mktemp("everything"), *TOGETHER))


@pytest.fixture(params=["base", *(f"overlays/{path.name}" for path in DEPLOY.glob("overlays/*"))])
def shipped(request: pytest.FixtureRequest) -> Built:
    return build(DEPLOY / request.param)


# --- they are valid


def all_faults(built: Built, version: str) -> list[str]:
    return [fault for manifest in built.manifests for fault in faults(manifest, version)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(shipped: Built, version: str) -> None:
    assert all_faults(shipped, version) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_they_are_valid_with_everything_at_once(everything: Built, version: str) -> None:
    assert all_faults(everything, version) == []


def misspell(manifest: Manifest, *path: str | int, as_: str) -> Manifest:
    """Return the manifest with the last name of a path written in another way."""
    changed = copy.deepcopy(manifest)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[as_] = place.pop(path[-1])
    return changed


@pytest.mark.parametrize(
    ("kind", "path", "as_"),
    [
        ("Deployment", (*CONTAINER, "livenessProbe"), "liveProbe"),
        ("Deployment", (*CONTAINER, "securityContext", "readOnlyRootFilesystem"), "readOnlyRoot"),
        ("NetworkPolicy", ("spec", "ingress", 0, "from"), "form"),
        ("HorizontalPodAutoscaler", ("spec", "behavior", "scaleDown"), "scaledown"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "relabelings"), "relabelling"),
        ("PodMonitor", ("metadata", "labels"), "lables"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expr"), "expression"),
    ],
)
def test_a_misspelt_field_is_refused(
    everything: Built, kind: str, path: tuple[str | int, ...], as_: str
) -> None:
    wrong = misspell(everything.the(kind), *path, as_=as_)

    for version in VERSIONS:
        (fault,) = faults(wrong, version)
        assert as_ in fault or f"'{path[-1]}' is a required property" in fault


def test_promtool_finds_no_fault_in_the_rules(everything: Built, tmp_path: Path) -> None:
    spec = everything.the("PrometheusRule")["spec"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))

    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint-fatal", tmp_path / "rules.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert spec == yaml.safe_load(RULES.read_text())


# --- a pod has no more rights than it needs


def test_a_pod_is_as_restricted_as_the_standard_asks(base: Built) -> None:
    pod, container = base.pod["spec"], base.container["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {
        "emptyDir",
        "secret",
    }


def test_nothing_grows_without_a_bound(base: Built) -> None:
    (temporary,) = [v["emptyDir"] for v in base.pod["spec"]["volumes"] if "emptyDir" in v]

    assert re.fullmatch(r"\d+Mi", temporary["sizeLimit"])
    assert re.fullmatch(r"\d+Mi", base.container["resources"]["limits"]["memory"])
    assert base.container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_pod_has_no_token_of_the_clusters(base: Built) -> None:
    assert base.pod["spec"]["automountServiceAccountToken"] is False
    assert base.the("ServiceAccount")["automountServiceAccountToken"] is False
    assert base.pod["spec"]["serviceAccountName"] == base.the("ServiceAccount")["metadata"]["name"]


def test_secrets_are_named_and_never_held(everything: Built) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in everything.manifests}
    assert not {"SKIT_TOKEN"} & everything.settings.keys()
    for variable in everything.container["env"]:
        assert variable.keys() == {"name", "value"}


@pytest.mark.parametrize("setting", ["SKIT_TOKEN_FILE", "GATEWAY_CLIENT_KEYS"])
def test_a_secret_is_a_file_that_may_change(everything: Built, setting: str) -> None:
    file = Path(everything.settings[setting])
    (mount,) = [
        m for m in everything.container["volumeMounts"] if m["mountPath"] == str(file.parent)
    ]
    (volume,) = [v for v in everything.pod["spec"]["volumes"] if v["name"] == mount["name"]]

    assert mount == {"name": volume["name"], "mountPath": str(file.parent), "readOnly": True}
    assert [item["path"] for item in volume["secret"]["items"]] == [file.name]
    assert volume["secret"]["defaultMode"] == 0o440
    assert everything.pod["spec"]["securityContext"]["fsGroup"] == 65532


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backend_may_want_no_token(tmp_path: Path, version: str) -> None:
    built = build(overlay(tmp_path, "no-token"))

    assert all_faults(built, version) == []
    assert built.settings["SKIT_TOKEN_FILE"] == ""
    assert [volume["name"] for volume in built.pod["spec"]["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in built.container["volumeMounts"]] == ["tmp"]


def test_every_component_is_tried_here() -> None:
    assert {*TOGETHER, "no-token"} == {path.name for path in COMPONENTS.iterdir()}


# --- a rolling update costs nobody anything


def test_a_pod_has_the_time_to_leave_and_to_drain(base: Built) -> None:
    *command, pause = base.container["lifecycle"]["preStop"]["exec"]["command"]
    drain = seconds(base.settings["GATEWAY_DRAIN_TIMEOUT"])

    assert command == ["/bin/sleep"]
    grace = base.pod["spec"]["terminationGracePeriodSeconds"]
    assert grace > int(pause) + drain + CLEANUP_TIMEOUT


def test_an_update_takes_no_pod_before_another_is_ready(base: Built) -> None:
    spec = base.the("Deployment")["spec"]

    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert base.the("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")],
)
def test_a_probe_asks_what_it_is_for(base: Built, probe: str, path: str) -> None:
    asked = base.container[probe]

    assert asked["httpGet"] == {"path": path, "port": "http"}
    assert asked["timeoutSeconds"] > LONGEST_READINESS


def test_another_setting_starts_other_pods(base: Built, tmp_path: Path) -> None:
    generator = {"name": "speech-gateway", "behavior": "merge", "literals": ["SKIT_URL=http://b:1"]}
    changed = build(overlay(tmp_path, configMapGenerator=[generator]))

    assert changed.settings == {**base.settings, "SKIT_URL": "http://b:1"}
    (before,), (after,) = base.container["envFrom"], changed.container["envFrom"]
    assert before["configMapRef"]["name"] == base.the("ConfigMap")["metadata"]["name"]
    assert before != after


# --- they agree with each other


def selectors(built: Built) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what selects the pods, and how."""
    yield "Service", built.the("Service")["spec"]["selector"]
    yield "NetworkPolicy", built.the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
        yield kind, built.the(kind)["spec"]["selector"]["matchLabels"]
    for spread in built.pod["spec"]["topologySpreadConstraints"]:
        yield spread["topologyKey"], spread["labelSelector"]["matchLabels"]


def test_all_select_the_pods_by_their_name(everything: Built) -> None:
    assert everything.pod["metadata"]["labels"].items() >= NAME.items()
    for who, selector in selectors(everything):
        assert selector == NAME, who


def test_everything_carries_the_recommended_labels(everything: Built) -> None:
    for manifest in everything.manifests:
        labels = manifest["metadata"]["labels"]
        told = {label.removeprefix("app.kubernetes.io/") for label in labels}
        assert told >= {"component", "part-of"}, manifest["kind"]


def test_ports_are_the_settings_and_called_by_name(everything: Built) -> None:
    ports = {port["name"]: port["containerPort"] for port in everything.container["ports"]}
    (service,) = everything.the("Service")["spec"]["ports"]
    opened = [
        port["port"]
        for rule in everything.the("NetworkPolicy")["spec"]["ingress"]
        for port in rule["ports"]
    ]
    (scraped,) = everything.the("PodMonitor")["spec"]["podMetricsEndpoints"]

    assert f":{ports['http']}" == everything.settings["GATEWAY_LISTEN"]
    assert f":{ports['metrics']}" == everything.settings["GATEWAY_METRICS_LISTEN"]
    assert service["targetPort"] == "http"
    assert opened == ["http", "metrics"]
    assert scraped["port"] == "metrics"


def test_the_network_is_open_to_the_backends_port(base: Built) -> None:
    allowed = {
        (port["port"], port.get("protocol", "TCP"))
        for rule in base.the("NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    }

    backend = int(base.settings["SKIT_URL"].rpartition(":")[2])
    assert allowed == {(53, "UDP"), (53, "TCP"), (backend, "TCP")}


# --- autoscaling


def test_the_autoscaler_alone_says_how_many_there_are(everything: Built) -> None:
    scaled = everything.the("HorizontalPodAutoscaler")["spec"]

    assert "replicas" not in everything.the("Deployment")["spec"]
    assert scaled["scaleTargetRef"] == {
        "apiVersion": everything.the("Deployment")["apiVersion"],
        "kind": "Deployment",
        "name": everything.the("Deployment")["metadata"]["name"],
    }
    assert scaled["minReplicas"] == 2


def test_the_adapter_serves_what_the_autoscaler_asks_for(everything: Built) -> None:
    adapter = yaml.safe_load((COMPONENTS / "autoscaling/prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]
    series = re.search('__name__=~"([^"]+)"', rule["seriesQuery"])
    assert series
    asked = {
        metric["pods"]["metric"]["name"]
        for metric in everything.the("HorizontalPodAutoscaler")["spec"]["metrics"]
    }

    page = (ROOT / "tests/golden_metrics.txt").read_text()
    assert asked == {"gateway_slots_held", "gateway_waiting_requests"} == set(series[1].split("|"))
    assert all(f"# TYPE {name} gauge" in page for name in asked)


# --- what is documented


def test_manifests_are_built_as_it_says() -> None:
    line = KUBERNETES.command("kustomize build")
    printed = subprocess.run(
        line,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{KUSTOMIZE.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert printed.stdout == build(DEPLOY / "overlays/monitoring").text


def test_an_overlay_of_ones_own_is_built_as_it_says(tmp_path: Path) -> None:
    (written,) = [block for block in KUBERNETES.blocks() if "kind: Kustomization" in block]
    shutil.copytree(DEPLOY, tmp_path / "speech-gateway/deploy/kustomize")
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(written)

    built = build(own)

    assert all_faults(built, VERSIONS[-1]) == []
    assert {manifest["metadata"]["namespace"] for manifest in built.manifests} == {"speech"}
    (named,) = yaml.safe_load(written)["images"]
    assert built.container["image"] == f"{named['newName']}:{named['newTag']}"
    assert built.settings["SKIT_URL"] == "http://streamkit.media:4545"
    assert {"HorizontalPodAutoscaler", "PodMonitor"} <= {one["kind"] for one in built.manifests}
    assert "GATEWAY_CLIENT_KEYS" in built.settings
