"""Pods of the shipped manifests, played by podman on the host's network, as there is no cluster.

podman 4.3 takes the image, the environment, the Secret, the security context, the memory limit.
What a cluster does, and podman does not:

- It asks no probes: without systemd nothing does, and it would ask with curl, which is not inside.
- It knows neither preStop nor terminationGracePeriodSeconds.
- It mounts a Secret's text in base64, as the manifest has it, readable for all.
- Its emptyDir is a volume called by its bare name, which all pods would share, and has no bound.
- It passes over Services, policies, budgets and accounts.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .client import RawClient, Reachable, connect
from .kubernetes import Built, build, overlay
from .podman import Podman
from .polling import until
from .process import free_port

READY_TIMEOUT = 30.0
NAME = "speech-gateway"


@dataclass
class PlayedPod(Reachable):
    """One pod of the Deployment, under a name and at ports of its own."""

    podman: Podman
    folder: Path
    name: str
    skit_url: str
    token: str
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    built: Built = field(init=False)

    def __post_init__(self) -> None:
        self.built = build(overlay(self.folder, **self._changes()))
        self._file.write_text(self.built.text)

    @property
    def pod(self) -> str:
        return f"{NAME}-{self.name}-pod-0"

    @property
    def container(self) -> str:
        return f"{self.pod}-gateway"

    @property
    def token_as_mounted(self) -> str:
        return b64encode(self.token.encode()).decode()

    async def connect(self) -> RawClient:
        return await connect(self.port)

    async def play(self) -> None:
        """Have it run, and wait until it is ready."""
        await self.podman.run("kube", "play", self._file)
        await until(self._readiness, READY_TIMEOUT, equals=200)

    async def stop(self) -> None:
        """Stop it as a kubelet does after preStop: SIGTERM, and the rest of the grace."""
        grace = self.built.pod["spec"]["terminationGracePeriodSeconds"]
        await self.podman.run("pod", "stop", "--time", str(grace), self.pod)

    async def down(self) -> None:
        """Take it away, with what belongs to it."""
        await self.podman.run("kube", "down", self._file)
        for volume in self.built.pod["spec"]["volumes"]:
            kept = volume["secret"]["secretName"] if "secret" in volume else volume["name"]
            await self.podman.try_to("volume", "rm", kept)
            await self.podman.try_to("secret", "rm", kept)

    async def inspect(self) -> dict[str, Any]:
        (found,) = json.loads(await self.podman.run("container", "inspect", self.container))
        return dict(found)

    async def _readiness(self) -> int:
        try:
            return (await self.ask("GET", "/readyz")).status
        except ConnectionRefusedError:
            return 0

    @property
    def _file(self) -> Path:
        return self.folder / "played.yaml"

    def _changes(self) -> dict[str, Any]:
        """What an overlay changes for a host that has no network but its own."""
        settings = {
            "SKIT_URL": self.skit_url,
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "GATEWAY_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}",
        }
        return {
            "nameSuffix": f"-{self.name}",
            "images": [{"name": NAME, "newName": f"localhost/{NAME}"}],
            "replicas": [{"name": NAME, "count": 1}],
            "configMapGenerator": [
                {
                    "name": NAME,
                    "behavior": "merge",
                    "literals": [f"{name}={value}" for name, value in settings.items()],
                }
            ],
            "secretGenerator": [{"name": NAME, "literals": [f"token={self.token}"]}],
            "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(self._patch())}],
        }

    def _patch(self) -> list[dict[str, Any]]:
        container = "/spec/template/spec/containers/0"
        set_to = {
            "/spec/template/spec/hostNetwork": True,
            "/spec/template/spec/volumes/0/name": f"tmp-{self.name}",
            f"{container}/volumeMounts/0/name": f"tmp-{self.name}",
            f"{container}/imagePullPolicy": "Never",
            **{
                f"{container}/{probe}/httpGet/port": self.port
                for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            },
        }
        return [
            {"op": "remove", "path": f"{container}/ports"},
            *({"op": "add", "path": path, "value": value} for path, value in set_to.items()),
        ]


@asynccontextmanager
async def played_pod(
    podman: Podman, folder: Path, name: str, skit_url: str, token: str = "a-token-of-this-test"
) -> AsyncIterator[PlayedPod]:
    """Play a pod until the block ends."""
    folder.mkdir()
    pod = PlayedPod(podman, folder, name, skit_url, token)
    try:
        await pod.play()
        yield pod
    finally:
        await pod.down()
