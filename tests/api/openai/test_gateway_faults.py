"""The gateway's own trouble with audio is told as its own: 500, which clients try again."""

import base64
import errno
import io
import json
import logging
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from speech_gateway.api.openai.uploads import READ_AT_ONCE
from speech_gateway.media.audio_errors import BROKEN
from speech_gateway.media.conversion_thread import Source
from tests.support.audio import Kind, recorded
from tests.support.backend import ScriptedBackend, answer, hears, says
from tests.support.gateway import Served
from tests.support.openai_api import JSON, TRANSCRIPTIONS_PATH, error_of, order, send_form
from tests.support.speech import silence
from tests.support.streamkit import streamkit_speech

AUDIO = silence(2.0)
MP4 = recorded(Kind("ipod", "aac"), 1.0)


@pytest.fixture
def backend(backend: ScriptedBackend) -> ScriptedBackend:
    backend.script = hears("anything")
    return backend


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(*_: object, **__: object) -> BinaryIO:
        return Path("/dev/full").open("w+b")

    monkeypatch.setattr("tempfile.TemporaryFile", open_full)


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))


def told_as_the_gateways_own(response: Any) -> bool:
    error = error_of(response)
    return (response.status, error["message"], error["type"]) == (500, BROKEN, "server_error")


@pytest.mark.parametrize("disk", ["full_disk", "no_disk"])
async def test_an_upload_that_finds_no_room_on_disk_may_be_tried_again(
    openai: Served, disk: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    request.getfixturevalue(disk)
    caplog.set_level(logging.ERROR)

    refused = await send_form(openai, [("file", MP4)])

    assert told_as_the_gateways_own(refused)
    assert openai.count("stt", 500) == 1
    (record,) = caplog.records
    assert record.exc_info is None


@pytest.mark.parametrize("disk", ["full_disk", "no_disk"])
async def test_converted_audio_that_cannot_be_kept_may_be_tried_again(
    openai: Served, disk: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue(disk)
    monkeypatch.setattr("speech_gateway.api.openai.recording.HELD_IN_MEMORY", 1)

    refused = await send_form(openai, [("file", AUDIO)])

    assert told_as_the_gateways_own(refused)


async def test_an_upload_that_cannot_be_read_back_may_be_tried_again(
    openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BadDisk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1000:
                raise OSError(errno.EIO, "a sector that is none")
            return super().read(size)

    monkeypatch.setattr("tempfile.TemporaryFile", BadDisk)

    refused = await send_form(openai, [("file", recorded(Kind("aiff", "pcm_s16be"), 1.0))])

    assert told_as_the_gateways_own(refused)


async def test_audio_in_json_that_cannot_be_read_back_may_be_tried_again(
    openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BadDisk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if size == READ_AT_ONCE:
                raise OSError(errno.EIO, "a sector that is none")
            return super().read(size)

    monkeypatch.setattr("tempfile.TemporaryFile", BadDisk)
    body = json.dumps({"input_audio": {"data": base64.b64encode(AUDIO).decode()}}).encode()

    assert told_as_the_gateways_own(await openai.ask("POST", TRANSCRIPTIONS_PATH, JSON, body))


async def test_an_upload_that_is_decoded_but_not_encoded_may_be_tried_again(
    openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.media.upload_to_opus.CODEC_OPTIONS", {"vbr": "of no kind"})

    assert told_as_the_gateways_own(await send_form(openai, [("file", AUDIO)]))


async def test_an_upload_whose_conversion_has_a_fault_may_be_tried_again(
    openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr("speech_gateway.media.upload_to_opus.container_of", fail)

    assert told_as_the_gateways_own(await send_form(openai, [("file", AUDIO)]))


async def test_speech_whose_conversion_has_a_fault_counts_as_the_gateways_own(
    backend: ScriptedBackend, openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Source, write: object) -> None:
        source.read(100)
        raise KeyError("inside")

    monkeypatch.setattr("speech_gateway.media.speech_formats.Encoded.__call__", fail)
    backend.script = says(answer(streamkit_speech(0.5)))

    await order(openai, response_format="mp3")

    await openai.settled()
    assert openai.count("tts", 500) == 1
    assert openai.count("tts", 502) == 0
