"""``POST /api/v1/validate``: judges a pipeline without running it, as StreamKit does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..pipelines import PipelineError, check, is_node
from .node_kinds import NodeKind, NodeKinds, unknown
from .pipeline_params import PlanError, plan_of

PARSE, SCHEMA, CONNECTION = "parse", "schema", "connection"


@dataclass(slots=True)
class Verdict:
    """What is said of a pipeline."""

    errors: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    graph: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the answer's body."""
        return {
            "valid": not self.errors,
            "errors": self.errors,
            "warnings": self.warnings,
            "graph": self.graph,
        }


def validate(pipeline_yaml: str, kinds: NodeKinds) -> Verdict:
    """Judge a pipeline."""
    verdict = Verdict()
    try:
        document = check(pipeline_yaml)
    except PipelineError as error:
        verdict.errors.append({"kind": PARSE, "message": f"the pipeline {error}"})
        return verdict
    by_id, edges = _graph(document)
    verdict.graph = {
        # Parameters are left out: a few letters of YAML may stand for megabytes of them.
        "nodes": [{"id": name, "kind": node["kind"]} for name, node in by_id.items()],
        "connections": [
            {"from_node": source, "from_pin": "out", "to_node": target, "to_pin": "in"}
            for source, target in edges
        ],
    }
    for name, node in by_id.items():
        _judge_node(name, node, kinds, verdict)
    for source, target in edges:
        if problem := _mismatch(source, target, by_id, kinds):
            place = f"{source}->{target}"
            verdict.errors.append({"kind": CONNECTION, "message": problem, "connection_id": place})
    if not verdict.errors:
        _judge_plan(document, kinds, verdict)
    return verdict


def _judge_plan(document: Mapping[str, Any], kinds: NodeKinds, verdict: Verdict) -> None:
    try:
        plan_of(document, kinds)
    except PlanError as error:
        verdict.errors.append({"kind": SCHEMA, "message": str(error)})


def _graph(document: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """Return the nodes by their names, and which one follows which."""
    steps, named = document.get("steps"), document.get("nodes")
    found: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    if isinstance(steps, list):
        found = {f"step_{number}": node for number, node in enumerate(steps)}
        edges = list(pairwise(found))
    if isinstance(named, dict):
        for name, node in named.items():
            found[str(name)] = node
            edges += [(source, str(name)) for source in _needs(node)]
    return {name: node for name, node in found.items() if is_node(node)}, edges


def _needs(node: object) -> Sequence[str]:
    needs = node.get("needs") if isinstance(node, dict) else None
    if isinstance(needs, str):
        return [needs]
    return [str(one) for one in needs] if isinstance(needs, list) else []


def _judge_node(name: str, node: Mapping[str, Any], kinds: NodeKinds, verdict: Verdict) -> None:
    kind = kinds.get(node["kind"])
    if kind is None:
        verdict.errors.append({"kind": SCHEMA, "message": unknown(node["kind"]), "node_id": name})
        return
    params = node.get("params") or {}
    for problem in kind.problems(params):
        verdict.errors.append({"kind": SCHEMA, "message": problem, "node_id": name})
    for message in _unknown(params, kind):
        verdict.warnings.append({"kind": SCHEMA, "message": message, "node_id": name})


def _unknown(params: Mapping[str, Any], kind: NodeKind) -> Iterator[str]:
    for name in params:
        if name not in kind.params:
            yield f"Unknown parameter '{name}' for node kind '{kind.kind}'"


def _mismatch(
    source: str, target: str, by_id: Mapping[str, Mapping[str, Any]], kinds: NodeKinds
) -> str:
    """Return why one node cannot follow another; nothing when it can, or is judged already."""
    for name in (source, target):
        if name not in by_id:
            return f"Source node '{name}' does not exist"
    before, after = kinds.get(by_id[source]["kind"]), kinds.get(by_id[target]["kind"])
    if before is None or after is None or before.gives == after.takes:
        return ""
    return (
        f"Type mismatch: '{source}' ({before.kind}) produces {before.gives or 'nothing'}, but "
        f"'{target}' ({after.kind}) accepts {after.takes or 'nothing'}"
    )
