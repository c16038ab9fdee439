"""What the backend says of the pipelines: whether it would run them, and what they could do."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UpstreamError
from ..pipelines import REQUIRED_KINDS, Pipeline
from .questions import Questions, Reply

NODES_PATH = "/api/v1/schema/nodes"
VALIDATE_PATH = "/api/v1/validate"
KNOWN_FOR = 60.0
"""Seconds for which an answer counts; a backend that was gone is asked again at once."""

Nodes = Mapping[str, Mapping[str, Any]]
"""The schema of each kind's parameters, by parameter."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the backend can do beside transcribing: nothing, where it does not tell."""

    words: bool = False
    """Whether words can be told with their times."""
    translation: bool = False
    """Whether speech can be translated into English."""


class PipelineCheck:
    """Judges the gateway's pipelines by what the backend says, where it says anything.

    Older servers do not know the questions (404), and a role may not be allowed to ask them (403):
    nothing is known then.
    """

    def __init__(self, questions: Questions, pipelines: Mapping[str, Pipeline]) -> None:
        self.problem: str | None = None
        """Why a pipeline would not run, for people."""
        self.abilities = Abilities()
        self._questions = questions
        self._pipelines = pipelines
        self._asked_at: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether the backend should be asked again."""
        now = asyncio.get_running_loop().time()
        return self._asked_at is None or now - self._asked_at >= KNOWN_FOR

    def forget(self) -> None:
        """Ask again at the next opportunity: the backend may be another one then."""
        self._asked_at = None

    async def learn(self, listed: Reply, authorization: str) -> None:
        """Judge by the backend's list of nodes, and have it judge each pipeline itself."""
        nodes = _nodes(listed)
        self.problem, self.abilities = None, Abilities()
        if nodes is not None:
            self.abilities = _abilities(nodes, self._pipelines["stt"])
            self.problem = await self._judged(nodes, authorization)
        self._asked_at = asyncio.get_running_loop().time()

    async def _judged(self, nodes: Nodes, authorization: str) -> str | None:
        for name, pipeline in self._pipelines.items():
            wrong = next(_missing(nodes, pipeline), None)
            if wrong is None:
                wrong = await self._validated(pipeline, authorization)
            if wrong is not None:
                return f"the speech backend cannot run the {name} pipeline: {wrong}"
        return None

    async def _validated(self, pipeline: Pipeline, authorization: str) -> str | None:
        """Return what the backend finds wrong with a pipeline."""
        body = json.dumps({"yaml": pipeline.yaml, "mode": "oneshot"}).encode()
        try:
            reply = await self._questions.post_json(VALIDATE_PATH, body, authorization)
        except UpstreamError:
            return None
        verdict = _parsed(reply)
        if not isinstance(verdict, dict) or verdict.get("valid") is not False:
            return None
        errors = verdict.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        message = first.get("message") if isinstance(first, dict) else None
        return message if isinstance(message, str) else "it says no more"


def _parsed(reply: Reply) -> object:
    """Return the JSON of an answer; None if it is none, or no success."""
    if reply.status != 200:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _nodes(reply: Reply) -> Nodes | None:
    """Return the nodes that are listed; None if the answer is no such list."""
    listed = _parsed(reply)
    if not isinstance(listed, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for node in listed:
        if isinstance(node, dict) and isinstance(node.get("kind"), str):
            schema = node.get("param_schema")
            properties = schema.get("properties") if isinstance(schema, dict) else None
            found[node["kind"]] = properties if isinstance(properties, dict) else {}
    return found


def _missing(nodes: Nodes, pipeline: Pipeline) -> Iterator[str]:
    """Yield what the backend has no node for; the ends of a pipeline are not listed by all."""
    for kind in pipeline.kinds():
        if kind not in nodes and kind not in REQUIRED_KINDS:
            yield f"it has no node {kind}"


def _abilities(nodes: Nodes, stt: Pipeline) -> Abilities:
    params: dict[str, Any] = {}
    for kind in stt.kinds():
        if kind.startswith("plugin::"):
            params.update(nodes.get(kind, {}))
    task = params.get("task")
    tasks = task.get("enum", ()) if isinstance(task, dict) else ()
    return Abilities(
        words="word_timestamps" in params,
        translation=isinstance(tasks, list) and "translate" in tasks,
    )
