"""Words with their times, and translations: served where the backend can."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.audio import opus_speech
from tests.support.backend import LAST_CHUNK, OK_CHUNKED, ScriptedBackend, chunk, says
from tests.support.client import Response
from tests.support.gateway import Served
from tests.support.openai_api import FORM, Fields, error_of, form, send_form
from tests.upstream.test_pipeline_check import ALL_NODES, NODES, node

pytestmark = pytest.mark.usefixtures("unwatched")

TRANSLATIONS_PATH = "/v1/audio/translations"
AUDIO = opus_speech(1.0)
ABLE = [
    *(one for one in ALL_NODES if one["kind"] != "plugin::native::whisper"),
    node(
        "plugin::native::whisper",
        {
            "word_timestamps": {"type": "boolean"},
            "task": {"type": "string", "enum": ["transcribe", "translate"]},
        },
    ),
]
WORDS = [
    {"word": "hello", "start_time_ms": 100, "end_time_ms": 400, "confidence": 0.9},
    {"word": "there", "start_time_ms": 450, "end_time_ms": 700, "confidence": 0.8},
]
HEARD = {
    "text": "hello there",
    "segments": [
        {"text": "hello there", "start_time_ms": 0, "end_time_ms": 900, "words": WORDS},
    ],
    "language": "de",
}


@pytest.fixture
def backend(backend: ScriptedBackend) -> ScriptedBackend:
    line = json.dumps({"Transcription": HEARD}).encode() + b"\n"
    backend.script = says(OK_CHUNKED, chunk(line), LAST_CHUNK)
    backend.bodies = {NODES: ABLE}
    return backend


def asking(*granularities: str, response_format: str = "verbose_json") -> Fields:
    asked = [("timestamp_granularities[]", one.encode()) for one in granularities]
    return [("response_format", response_format.encode()), *asked]


async def translate(at: Served, fields: Fields) -> Response:
    return await at.ask("POST", TRANSLATIONS_PATH, FORM, form([*fields, ("file", AUDIO)]))


def told(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.text
    transcript: dict[str, Any] = json.loads(response.body)
    return transcript


async def test_words_are_told_with_their_times(openai: Served, backend: ScriptedBackend) -> None:
    heard = told(await send_form(openai, [*asking("word", "segment"), ("file", AUDIO)]))

    assert heard["words"] == [
        {"word": "hello", "start": 0.1, "end": 0.4},
        {"word": "there", "start": 0.45, "end": 0.7},
    ]
    assert [segment["text"] for segment in heard["segments"]] == ["hello there"]
    assert b"word_timestamps: true" in backend.calls.get_nowait().config


@pytest.mark.parametrize(
    ("granularities", "keys"),
    [((), {"segments"}), (("segment",), {"segments"}), (("word",), {"words"})],
)
async def test_what_is_asked_for_is_told(
    openai: Served, granularities: tuple[str, ...], keys: set[str]
) -> None:
    heard = told(await send_form(openai, [*asking(*granularities), ("file", AUDIO)]))

    assert heard.keys() & {"segments", "words"} == keys


async def test_words_may_be_asked_for_behind_the_file(
    openai: Served, backend: ScriptedBackend
) -> None:
    heard = told(await send_form(openai, [("file", AUDIO), *asking("word")]))

    assert len(heard["words"]) == 2
    assert (
        b"word_timestamps: true"
        in [backend.calls.get_nowait() for _ in range(backend.calls.qsize())][-1].config
    )


async def test_a_format_without_a_place_for_words_asks_for_none(
    openai: Served, backend: ScriptedBackend
) -> None:
    asked = asking("word", response_format="text")

    assert (await send_form(openai, [*asked, ("file", AUDIO)])).text == "hello there\n"
    assert b"word_timestamps" not in backend.calls.get_nowait().config


async def test_a_translation_is_of_any_language_into_english(
    openai: Served, backend: ScriptedBackend
) -> None:
    heard = told(await translate(openai, asking()))

    assert (heard["task"], heard["language"]) == ("translate", "english")
    config = backend.calls.get_nowait().config
    assert b"task: translate" in config
    assert b"language: auto" in config
    assert openai.count("stt", 200) == 1


async def test_the_language_of_what_is_translated_may_be_told(
    openai: Served, backend: ScriptedBackend
) -> None:
    assert (await translate(openai, [("language", b"de")])).status == 200

    assert b"language: de" in backend.calls.get_nowait().config


async def test_a_translation_may_be_a_text(openai: Served) -> None:
    assert (await translate(openai, [("response_format", b"text")])).text == "hello there\n"


@pytest.mark.parametrize("nodes", [ALL_NODES, None], ids=["tells", "does not tell"])
async def test_what_the_backend_cannot_is_refused(
    openai: Served, backend: ScriptedBackend, nodes: object
) -> None:
    backend.bodies = {NODES: nodes} if nodes is not None else {}
    backend.pages = {} if nodes is not None else {NODES: "404 Not Found"}

    words = await send_form(openai, [*asking("word"), ("file", AUDIO)])
    translation = await translate(openai, [])

    assert (words.status, error_of(words)["param"]) == (400, "timestamp_granularities[]")
    assert (translation.status, error_of(translation)["param"]) == (400, "model")
    assert backend.seen == 0


async def test_a_backend_that_cannot_be_asked_is_the_one_at_fault(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.url = ""
    backend.pages = {}

    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    backend.serve = gone  # type: ignore[method-assign]

    assert (await translate(openai, [])).status == 502
    assert openai.sample("gateway_rejected_total", endpoint="stt", reason="upstream_error") == 1


async def test_many_that_ask_at_once_have_the_backend_asked_once(
    openai: Served, backend: ScriptedBackend
) -> None:
    answers = await asyncio.gather(*(translate(openai, []) for _ in range(5)))

    assert [response.status for response in answers] == [200] * 5
    assert len([call for call in backend.asked if NODES in call.request_line]) == 1


@pytest.mark.parametrize("path", [TRANSLATIONS_PATH, f"{TRANSLATIONS_PATH}/"])
async def test_a_translation_is_asked_for_by_post(openai: Served, path: str) -> None:
    assert (await openai.ask("GET", path)).status == 405


async def test_a_question_that_failed_is_asked_again(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.pages = {NODES: "503 Service Unavailable"}
    assert (await translate(openai, [])).status == 502

    backend.pages = {}

    assert (await translate(openai, [])).status == 200


async def test_a_language_that_the_model_does_not_know_is_refused_by_its_field(
    openai: Served, backend: ScriptedBackend
) -> None:
    german = node("plugin::native::whisper", {"language": {"enum": ["de", "auto"]}})
    backend.bodies = {NODES: [*ALL_NODES, german]}

    refused = await send_form(openai, [("language", b"fr"), ("file", AUDIO)])
    heard = await send_form(openai, [("language", b"de"), ("file", AUDIO)])

    assert (refused.status, error_of(refused)["param"]) == (400, "language")
    assert "auto, de" in error_of(refused)["message"]
    assert heard.status == 200


async def test_a_list_s_name_may_lack_its_brackets(openai: Served) -> None:
    asked = [("response_format", b"verbose_json"), ("timestamp_granularities", b"word")]

    assert "words" in told(await send_form(openai, [*asked, ("file", AUDIO)]))
