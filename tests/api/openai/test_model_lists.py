"""The pages around OpenAI's endpoints: what clients and health checkers look at first."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speech_gateway.embedded.speaking.voice_names import voice_names
from speech_gateway.pipelines import voices
from tests.support.audio import opus_speech
from tests.support.backend import (
    ScriptedBackend,
    answer,
    hears,
    says,
)
from tests.support.client import Response, connect
from tests.support.gateway import Served, serving
from tests.support.openai_api import FORM, TRANSCRIPTIONS_PATH, error_of, form
from tests.support.speech import silence

LISTS = ["/v1/models", "/v1/audio/models", "/v1/audio/voices", "/v1/audio/speech/voices"]
PAGES = ["/healthz", "/readyz", "/metrics", *LISTS, "/v1/models/tts-1"]
KEY = "0123456789abcdef"


@pytest.fixture
async def with_keys(backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "keys").write_text(f"radio {KEY}\n")
    flags = ("--openai", f"--client-keys={tmp_path / 'keys'}")
    async with serving(backend.url, *flags) as served:
        yield served


async def ask(gateway: Served, path: str, method: str = "GET", **headers: str) -> Response:
    async with await gateway.connect() as client:
        client.request(method, path, headers, b"" if method == "POST" else None)
        if method == "HEAD":
            status, fields = await client.head()
            client.writer.write_eof()
            return Response(status, fields, await client.reader.read(), whole=True)
        return await client.response()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_can_be_looked_at_by_its_head(openai: Served, path: str) -> None:
    whole, head = await ask(openai, path), await ask(openai, path, "HEAD")

    assert (whole.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("path", PAGES)
async def test_another_method_on_a_page_is_told_which_there_are(openai: Served, path: str) -> None:
    refused = await ask(openai, path, "DELETE")

    assert (refused.status, refused.headers["allow"]) == (405, "GET,HEAD")
    if path.startswith("/v1"):
        assert "GET or HEAD" in error_of(refused)["message"]


async def test_the_metrics_own_listener_has_a_head_too(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--metrics-listen", "127.0.0.1:0") as gateway:
        port = int(gateway.gateway.metrics_url.rpartition(":")[2])
        async with await connect(port) as client:
            client.request("HEAD", "/metrics")
            assert (await client.head())[0] == 200


@pytest.mark.parametrize("path", LISTS)
async def test_a_slash_at_the_end_makes_no_difference(openai: Served, path: str) -> None:
    assert (await ask(openai, path + "/")).body == (await ask(openai, path)).body


async def test_a_voice_is_told_with_its_language_and_what_it_is(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    file = tmp_path / "voices.yml"
    file.write_text(
        "voices: {anna: {speaker_id: 1}, ben: {}}\n"
        "about: {anna: {language: de, description: Anna from Bonn}}\n"
    )
    async with serving(backend.url, "--openai", f"--voices={file}") as served:
        told = json.loads((await ask(served, "/v1/audio/voices")).body)

    assert told["voices"] == [
        {"id": "anna", "name": "anna", "language": "de", "description": "Anna from Bonn"},
        {"id": "ben", "name": "ben"},
    ]


def test_the_bundled_engine_has_all_voices_that_are_named_for_it() -> None:
    bundled = voices.load(packaged=voices.BUNDLED)

    assert set(voices.load().params) - {"af_maple", "af_sol", "bf_vale"} <= set(bundled.params)
    assert {str(params["voice"]) for params in bundled.params.values()} == set(voice_names())
    assert set(bundled.about) == set(bundled.params)
    assert bundled.about["espeak-de"]["language"] == "de"


async def test_a_model_is_described_with_its_voices(openai: Served) -> None:
    speaks = json.loads((await ask(openai, "/v1/models/tts-1")).body)
    listens = json.loads((await ask(openai, "/v1/models/whisper-1/")).body)

    assert (speaks["id"], speaks["object"]) == ("tts-1", "model")
    assert {"id": "alloy", "name": "alloy"} in speaks["voices"]
    assert "voices" not in listens


@pytest.mark.parametrize("path", ["/v1/models/nobody", "/v1/models/org/model", "/v1/models/%D0"])
async def test_a_model_that_there_is_not(openai: Served, path: str) -> None:
    refused = await ask(openai, path)

    assert refused.status == 404
    assert error_of(refused)["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/audio/speech", "/models", "/models/tts-1", "/v1", "/v1/"])
async def test_a_base_url_without_its_end_is_told(openai: Served, path: str) -> None:
    refused = await ask(openai, path, "POST" if "speech" in path else "GET")

    assert refused.status == 404
    assert "/v1" in error_of(refused)["message"]


@pytest.mark.parametrize("path", LISTS)
async def test_lists_are_free_of_keys(with_keys: Served, path: str) -> None:
    assert (await ask(with_keys, path)).status == 200
    assert (await ask(with_keys, path, "DELETE")).status == 401


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/nowhere", "/v1/audio/translations"])
async def test_a_missing_key_is_told_in_openai_s_words(with_keys: Served, path: str) -> None:
    refused = await ask(with_keys, path, "POST")

    assert refused.status == 401
    assert error_of(refused)["code"] == "invalid_api_key"


async def test_the_plain_pages_keep_their_plain_words(with_keys: Served) -> None:
    refused = await ask(with_keys, "/nowhere")

    assert (refused.status, refused.headers["content-type"]) == (401, "text/plain; charset=utf-8")


URL = "/v1/audio/speech?input=Good%20morning.&voice=coral&response_format=opus&speed=1.5"


async def test_a_url_is_spoken_where_that_is_switched_on(backend: ScriptedBackend) -> None:
    backend.script = says(answer(opus_speech(0.2)))
    async with serving(backend.url, "--openai", "--speech-by-get") as gateway:
        spoken = await ask(gateway, URL)
        await gateway.settled()

        assert (spoken.status, spoken.headers["content-type"]) == (200, "audio/ogg")
        assert gateway.count("tts", 200, "GET") == 1
        assert (await ask(gateway, "/v1/audio/speech?voice=coral")).status == 400
        assert (await ask(gateway, URL.replace("coral", "nobody"))).status == 400
        assert (await ask(gateway, URL, "HEAD")).status == 405
    config = backend.calls.get_nowait().config
    assert b"speaker_id: 1" in config
    assert b"speed: 1.5" in config


async def test_a_url_is_not_spoken_otherwise(openai: Served, backend: ScriptedBackend) -> None:
    assert (await ask(openai, URL)).status == 405
    assert backend.seen == 0


async def test_an_answer_that_is_not_streamed_is_counted_like_one_that_is(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.script = hears("heard")

    heard = await openai.ask(
        "POST", TRANSCRIPTIONS_PATH + "/", FORM, form([("file", silence(1.0))])
    )

    await openai.settled()

    assert heard.status == 200
    assert openai.sample("gateway_response_bytes_total", endpoint="stt") == len(heard.body)
    assert openai.sample("gateway_first_byte_seconds_count", endpoint="stt") == 1
    by_api = {"endpoint": "stt", "code": "200"}
    assert openai.sample("gateway_api_requests_total", api="openai", **by_api) == 1
    assert openai.sample("gateway_api_requests_total", api="plain", **by_api) == 0


async def test_the_apis_are_told_apart_from_the_start(openai: Served) -> None:
    page = (await ask(openai, "/metrics")).text

    for api in ("plain", "openai"):
        assert f'gateway_api_requests_total{{api="{api}",code="200",endpoint="tts"}} 0.0' in page


async def test_a_refusal_of_the_backend_s_is_no_rejection_of_the_gateway_s(
    openai: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(b"no", "502 Bad Gateway", "text/plain"))

    assert (await openai.speak()).status == 502
    await openai.settled()

    assert openai.count("tts", 502) == 1
    assert openai.sample("gateway_rejected_total", endpoint="tts", reason="upstream_error") == 0
