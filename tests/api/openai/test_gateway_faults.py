"""The gateway's own trouble with audio is told as its own: 500, which clients try again."""

import base64
import errno
import io
import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from textwrap import indent
from typing import Any, BinaryIO

import pytest

from speech_gateway.api.openai.uploads import READ_AT_ONCE
from speech_gateway.media.audio_errors import BROKEN
from tests.support.audio import Kind, recorded
from tests.support.backend import ScriptedBackend, answer, hears, says
from tests.support.gateway import Served, serving
from tests.support.openai_api import JSON, TRANSCRIPTIONS_PATH, error_of, order, send_form
from tests.support.speech import silence
from tests.support.streamkit import streamkit_speech

FAULTY_JOBS = """
import io, os, tempfile
from speech_gateway.media import gateway_jobs, speech_formats, upload_to_opus

class FullDisk(io.BytesIO):
    def write(self, data):
        raise OSError(28, "No space left on device")

class BadDisk(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > 1000:
            raise OSError(5, "a sector that is none")
        return super().read(size)

def load():
    loaded = gateway_jobs.load()
    patch()
    return loaded

def patch():
"""
FULL_DISK = "tempfile.TemporaryFile = FullDisk"
NO_DISK = "tempfile.tempdir = '/there/is/none'"
BAD_DISK = "tempfile.TemporaryFile = BadDisk"
AUDIO = silence(2.0)
MP4 = recorded(Kind("ipod", "aac"), 1.0)


@pytest.fixture
def backend(backend: ScriptedBackend) -> ScriptedBackend:
    backend.script = hears("anything")
    return backend


Faulty = Callable[[str], AbstractAsyncContextManager[Served]]


@pytest.fixture
def with_fault(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Faulty:
    """Serve with media workers whose code a patch has changed."""

    def serve(patch: str) -> AbstractAsyncContextManager[Served]:
        (tmp_path / "faulty_jobs.py").write_text(f"{FAULTY_JOBS}{indent(patch, '    ')}")
        monkeypatch.syspath_prepend(tmp_path)  # which the media workers' server is told
        monkeypatch.setattr("speech_gateway.api.resources.JOBS", "faulty_jobs")
        return serving(backend.url, "--openai")

    return serve


def told_as_the_gateways_own(response: Any) -> bool:
    error = error_of(response)
    return (response.status, error["message"], error["type"]) == (500, BROKEN, "server_error")


@pytest.mark.parametrize("patch", [FULL_DISK, NO_DISK])
async def test_an_upload_that_finds_no_room_on_disk_may_be_tried_again(
    with_fault: Faulty, patch: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with with_fault(patch) as openai:
        refused = await send_form(openai, [("file", MP4)])

        assert told_as_the_gateways_own(refused)
        assert openai.count("stt", 500) == 1
        assert openai.sample("gateway_conversions_total", end="failed") == 1
    (record,) = caplog.records
    assert record.exc_info is None


def open_full(*_: object, **__: object) -> BinaryIO:
    return Path("/dev/full").open("w+b")


@pytest.mark.parametrize("disk", ["full_disk", "no_disk"])
async def test_converted_audio_that_cannot_be_kept_may_be_tried_again(
    openai: Served, disk: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if disk == "no_disk":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    else:
        monkeypatch.setattr("tempfile.TemporaryFile", open_full)
    monkeypatch.setattr("speech_gateway.api.openai.recording.HELD_IN_MEMORY", 1)

    refused = await send_form(openai, [("file", AUDIO)])

    assert told_as_the_gateways_own(refused)


async def test_a_fault_in_what_keeps_converted_audio_ends_its_request(
    openai: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr("speech_gateway.media.workers.conversion.Conversion.read", fail)

    refused = await send_form(openai, [("file", AUDIO)])

    assert refused.status == 500


async def test_an_upload_that_cannot_be_read_back_may_be_tried_again(with_fault: Faulty) -> None:
    async with with_fault(BAD_DISK) as openai:
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


@pytest.mark.parametrize(
    "patch",
    [
        "upload_to_opus.CODEC_OPTIONS = {'vbr': 'of no kind'}",  # decoded, but not encoded
        "upload_to_opus.container_of = lambda _: {}['inside']",
        "upload_to_opus.container_of = lambda _: os.abort()",
    ],
)
async def test_an_upload_that_is_not_at_fault_may_be_tried_again(
    with_fault: Faulty, patch: str
) -> None:
    async with with_fault(patch) as openai:
        assert told_as_the_gateways_own(await send_form(openai, [("file", AUDIO)]))


async def test_speech_whose_conversion_has_a_fault_counts_as_the_gateways_own(
    backend: ScriptedBackend, with_fault: Faulty
) -> None:
    backend.script = says(answer(streamkit_speech(0.5)))
    async with with_fault("speech_formats.Encoded.__call__ = lambda *_: {}['inside']") as openai:
        await order(openai, response_format="mp3")

        await openai.settled()
        assert openai.count("tts", 500) == 1
        assert openai.count("tts", 502) == 0
