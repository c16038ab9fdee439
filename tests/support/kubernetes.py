"""The manifests for Kubernetes, as kustomize builds them, and what judges them."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from kubernetes_validate import utils as kubernetes_validate
from packaging.version import Version

from .paths import ROOT

KUSTOMIZE = ROOT / ".tools" / "kustomize"
CRDS = ROOT / ".tools" / "prometheus-operator-crd"
DEPLOY = ROOT / "deploy" / "kustomize"
COMPONENTS = DEPLOY / "components"
OLDEST = Version("1.27")
VERSIONS = sorted(
    {v for v in kubernetes_validate.all_versions() if Version(v) >= OLDEST}, key=Version
)
"""Those of Kubernetes that the manifests are for, as far as there are schemas."""
OPERATOR_API = "monitoring.coreos.com/v1"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Built:
    """What kustomize makes of a folder."""

    text: str

    @property
    def manifests(self) -> list[Manifest]:
        return list(yaml.safe_load_all(self.text))

    def the(self, kind: str) -> Manifest:
        (found,) = [manifest for manifest in self.manifests if manifest["kind"] == kind]
        return found

    @property
    def pod(self) -> Manifest:
        """What the Deployment makes pods of."""
        return dict(self.the("Deployment")["spec"]["template"])

    @property
    def container(self) -> Manifest:
        (only,) = self.pod["spec"]["containers"]
        return dict(only)

    @property
    def settings(self) -> dict[str, str]:
        """The gateway's environment."""
        own = {one["name"]: one["value"] for one in self.container.get("env", [])}
        return {**self.the("ConfigMap")["data"], **own}


def try_to_build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KUSTOMIZE, "build", folder], capture_output=True, text=True, check=False)


def build(folder: Path) -> Built:
    built = try_to_build(folder)
    assert built.returncode == 0, built.stderr
    assert built.stderr == "", "kustomize warns of something"
    return Built(built.stdout)


def overlay(folder: Path, *components: str, base: Path = DEPLOY / "base", **more: Any) -> Path:
    """Write an overlay of one's own into folder, on base and with components; return the folder."""
    # kustomize takes no absolute paths.
    up = Path(*[".."] * (len(folder.resolve().parts) - 1))

    def from_here(path: Path) -> str:
        return str(up / path.relative_to("/"))

    written = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [from_here(base)],
        "components": [from_here(COMPONENTS / name) for name in components],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(written))
    return folder


# --- what judges them


def faults(manifest: Manifest, version: str) -> Iterator[str]:
    """Yield what is wrong with a manifest, unknown fields too."""
    try:
        if manifest["apiVersion"] == OPERATOR_API:
            # Its schema itself is not judged: a pattern in it, which no rule needs, is Go's.
            jsonschema.Draft202012Validator(_schema(manifest["kind"])).validate(manifest)
            # The schema leaves the metadata to Kubernetes.
            manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest["metadata"]}
        kubernetes_validate.validate(manifest, version, strict=True)
    except jsonschema.ValidationError as error:
        yield f"{manifest['kind']} {error.json_path}: {error.message}"


@cache
def _schema(kind: str) -> Manifest:
    """Return the schema of a kind of the Prometheus operator's, which refuses unknown fields."""
    file = CRDS / f"monitoring.coreos.com_{kind.lower()}s.yaml"
    (served,) = yaml.safe_load(file.read_text())["spec"]["versions"]
    schema: Manifest = served["schema"]["openAPIV3Schema"]
    _close(schema)
    return schema


def _close(schema: Any) -> None:
    """Refuse what a schema does not name, at every depth, as Kubernetes does when it is strict."""
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close(part)


# --- what they say


def seconds(text: str) -> int:
    """Return the seconds of a duration as a manifest or the gateway's setting has it."""
    found = re.fullmatch(r"(\d+)s?", text)
    assert found, text
    return int(found[1])
