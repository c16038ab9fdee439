"""What the backend says of the pipelines: whether it would run them, and what they could do."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..errors import UpstreamError, UpstreamTimeoutError
from ..pipelines import REQUIRED_KINDS, Pipeline
from ..standard_streams import printable
from .questions import Questions, Reply

NODES_PATH = "/api/v1/schema/nodes"
VALIDATE_PATH = "/api/v1/validate"
QUESTION_TIMEOUT = 2.0
"""Seconds for an answer: they are short, and the backend is judged by its health, too."""
LONGEST_MESSAGE = 300
KNOWN_FOR = 60.0
"""Seconds for which an answer counts; a backend that was gone is asked again at once."""

log = logging.getLogger(__name__)

Nodes = Mapping[str, Mapping[str, Any]]
"""The schema of each kind's parameters, by parameter."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the backend can do beside transcribing: nothing, where it does not tell."""

    words: bool = False
    """Whether words can be told with their times."""
    translation: bool = False
    """Whether speech can be translated into English."""
    languages: frozenset[str] | None = None
    """What may be told as the language of speech; None where that is not known."""


class PipelineCheck:
    """Judges the gateway's pipelines by what the backend says, where it says anything.

    Older servers do not know the questions (404), and a role may not be allowed to ask them (403):
    nothing is known then. A server that fails at them, or is slow, is asked again.
    """

    def __init__(self, questions: Questions, pipelines: Mapping[str, Pipeline]) -> None:
        self.problem: str | None = None
        """Why a pipeline would not run, for people."""
        self.abilities = Abilities()
        self._questions = questions
        self._pipelines = pipelines
        self._asked_at: float | None = None
        self._warned: frozenset[str] = frozenset()

    @property
    def is_due(self) -> bool:
        """Whether the backend should be asked again."""
        now = asyncio.get_running_loop().time()
        return self._asked_at is None or now - self._asked_at >= KNOWN_FOR

    def forget(self) -> None:
        """Ask again at the next opportunity: the backend may be another one then."""
        self._asked_at = None

    async def ask(self, authorization: str) -> int:
        """Ask which nodes there are, and what is wrong with each pipeline; return the status.

        Raises:
            UpstreamError: it could not be asked.
        """
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT):
                listed = await self._questions.get(NODES_PATH, authorization)
        except TimeoutError:
            raise UpstreamTimeoutError("it does not tell which nodes it has") from None
        if listed.status < web.HTTPInternalServerError.status_code:
            self._asked_at = asyncio.get_running_loop().time()
            await self._learn(_nodes(listed), authorization)
        return listed.status

    async def _learn(self, nodes: Nodes | None, authorization: str) -> None:
        if nodes is None:
            self.problem, self.abilities = None, Abilities()
            return
        self.abilities = _abilities(nodes, self._pipelines["stt"])
        found = await asyncio.gather(
            *(
                self._judged(name, pipeline, nodes, authorization)
                for name, pipeline in self._pipelines.items()
            )
        )
        self.problem = next(filter(None, (verdict.error for verdict in found)), None)
        self._warn(frozenset(warning for verdict in found for warning in verdict.warnings))

    def _warn(self, warnings: frozenset[str]) -> None:
        for warning in sorted(warnings - self._warned):
            log.warning("%s", warning)
        self._warned = warnings

    async def _judged(
        self, name: str, pipeline: Pipeline, nodes: Nodes, authorization: str
    ) -> "_Verdict":
        missing = next(_missing(nodes, pipeline), None)
        verdict = (
            _Verdict(missing)
            if missing is not None
            else await self._validated(pipeline, authorization)
        )
        cannot = f"the speech backend cannot run the {name} pipeline: "
        warns = f"the speech backend warns of the {name} pipeline: "
        return _Verdict(
            cannot + verdict.error if verdict.error is not None else None,
            tuple(warns + warning for warning in verdict.warnings),
        )

    async def _validated(self, pipeline: Pipeline, authorization: str) -> "_Verdict":
        """Return what the backend finds wrong with a pipeline; nothing if it does not tell."""
        body = json.dumps({"yaml": pipeline.yaml, "mode": "oneshot"}).encode()
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT):
                reply = await self._questions.post_json(VALIDATE_PATH, body, authorization)
        except (UpstreamError, TimeoutError):
            return _Verdict()
        told = _parsed(reply)
        if not isinstance(told, dict):
            return _Verdict()
        errors = list(_messages(told.get("errors")))
        is_wrong = told.get("valid") is False
        return _Verdict(
            (errors[0] if errors else "it says no more") if is_wrong else None,
            tuple(_messages(told.get("warnings"))),
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is said of a pipeline."""

    error: str | None = None
    warnings: tuple[str, ...] = ()


def _messages(diagnostics: object) -> Iterator[str]:
    """Yield the messages of a list of diagnostics, each as a line for people."""
    for one in diagnostics if isinstance(diagnostics, list) else ():
        message = one.get("message") if isinstance(one, dict) else None
        if isinstance(message, str):
            yield printable(message)[:LONGEST_MESSAGE]


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
    return Abilities(
        words="word_timestamps" in params,
        translation="translate" in _choices(params.get("task")),
        languages=frozenset(_choices(params.get("language"))) or None,
    )


def _choices(schema: object) -> list[str]:
    """Return the texts that a parameter may be, where its schema lists them."""
    listed = schema.get("enum") if isinstance(schema, dict) else None
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
