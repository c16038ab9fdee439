"""The pipelines sent to the backend: the packaged ones, and an operator's own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from ..config import yaml_text
from ..config.bounded_files import read_text

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
SERIALIZER = "core::json_serialize"
REQUIRED_KINDS = ("streamkit::http_input", "streamkit::http_output")


class PipelineError(ValueError):
    """The backend would not run the pipeline; the message says why."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline's YAML, ready to be sent."""

    yaml: str

    def param(self, name: str) -> object:
        """Return a parameter of the speech node; None when it has none."""
        found = None
        for node in nodes(yaml.load(self.yaml, Loader=_LOADER)):  # noqa: S506 - as below
            if str(node["kind"]).startswith("plugin::"):
                found = (node.get("params") or {}).get(name, found)
        return found

    def kinds(self) -> list[str]:
        """Return the kinds of its nodes."""
        return [node["kind"] for node in nodes(yaml.load(self.yaml, Loader=_LOADER))]  # noqa: S506 - as below

    def with_params(self, params: Mapping[str, object]) -> "Pipeline":
        """Return the pipeline with params set on its speech node."""
        document = yaml.load(self.yaml, Loader=_LOADER)  # noqa: S506 - safe, and in C where it can be
        for node in nodes(document):
            if str(node["kind"]).startswith("plugin::"):
                node["params"] = {**(node.get("params") or {}), **params}
        text = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
        return Pipeline(text)

    def warnings(self) -> Iterator[str]:
        """Yield warnings for people: what is allowed but probably a mistake."""
        for node in nodes(yaml.load(self.yaml, Loader=_LOADER)):  # noqa: S506 - as above
            params = node.get("params") or {}
            if node["kind"] == SERIALIZER and params.get("newline_delimited") is not True:
                yield (
                    f"has a {SERIALIZER} node without 'newline_delimited: true': its transcripts "
                    "come with nothing between them (clients get a line each all the same)"
                )


def packaged(name: str, **params: object) -> Pipeline:
    """Return the packaged pipeline ``name`` (tts or stt), with params set on its speech node."""
    pipeline = Pipeline(files(__name__).joinpath(f"{name}.yml").read_text(encoding="utf-8"))
    return pipeline.with_params(params) if params else pipeline


def load(path: Path) -> Pipeline:
    """Read and check an operator's pipeline.

    Raises:
        PipelineError: the file cannot be read, or the backend would refuse it.
    """
    try:
        text = read_text(path)
    except ValueError as error:
        raise PipelineError(str(error)) from None
    check(text)
    pipeline = Pipeline(text)
    try:
        pipeline.with_params({})  # as a client's voice or language will
    except RecursionError:
        raise PipelineError("is nested too deeply") from None
    return pipeline


def check(text: str) -> dict[str, Any]:
    """Return the document in text, a oneshot pipeline from HTTP to HTTP; raises PipelineError."""
    document = parse(text)
    if document.get("mode") != "oneshot":
        raise PipelineError("is not a oneshot pipeline; it needs the line 'mode: oneshot'")
    for node in nodes(document):
        if not isinstance(node.get("params") or {}, dict):
            raise PipelineError(f"has a {node['kind']} node whose params are no mapping")
    kinds = {node["kind"] for node in nodes(document)}
    for kind in REQUIRED_KINDS:
        if kind not in kinds:
            raise PipelineError(f"has no {kind} node; a oneshot pipeline needs one")
    return document


def parse(text: str) -> dict[str, Any]:
    """Return the YAML mapping in text, or raise PipelineError."""
    try:
        document = yaml_text.load(text)
    except ValueError as error:
        raise PipelineError(str(error)) from None
    if not isinstance(document, dict):
        raise PipelineError("is not a YAML mapping")
    return document


def nodes(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a pipeline, given as a list of steps or as named nodes."""
    steps, named = document.get("steps"), document.get("nodes")
    listed = list(steps) if isinstance(steps, list) else []
    if isinstance(named, dict):
        listed += named.values()
    yield from filter(is_node, listed)


def is_node(given: object) -> TypeGuard[dict[str, Any]]:
    """Return whether what stands where a node is expected is one."""
    return isinstance(given, dict) and isinstance(given.get("kind"), str)
