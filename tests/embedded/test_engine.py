"""The bundled engine: StreamKit's protocol, and its life beside the gateway."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from speech_gateway.child_process import STOP_TIMEOUT
from speech_gateway.embedded.launcher import Engine
from speech_gateway.pipelines import packaged
from speech_gateway.startup_error import StartupError
from tests.support.client import Response, connect
from tests.support.engine import StandaloneEngine
from tests.support.ogg import seconds_of
from tests.support.polling import until
from tests.support.process import descendants, is_gone
from tests.support.program import Program, program, serving_program

B = "b0undary"
PATH = "/api/v1/process"
FORM = {"Content-Type": f"multipart/form-data; boundary={B}"}
LIVE_FORM = FORM | {"Transfer-Encoding": "chunked"}
CONFIG = 'Content-Disposition: form-data; name="config"'
MEDIA = 'Content-Disposition: form-data; name="media"; filename="media"\r\nContent-Type: text/plain'
TTS = packaged("tts").yaml
ESPEAK = packaged("tts", voice="espeak").yaml
STT = packaged("stt").yaml


def part(headers: str, body: bytes | str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return f"--{B}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n"


async def call(engine: StandaloneEngine, *parts: bytes) -> Response:
    async with await connect(engine.port) as client:
        return await client.ask("POST", PATH, FORM, b"".join(parts) + b"--b0undary--\r\n")


async def test_it_speaks_by_the_protocol(engine: StandaloneEngine) -> None:
    response = await call(engine, part(CONFIG, TTS), part(MEDIA, "Hello there."))

    assert (response.status, response.headers["content-type"]) == (200, "audio/ogg")
    assert response.body.startswith(b"OggS")


async def test_it_is_healthy(engine: StandaloneEngine) -> None:
    assert (await ask(engine.port, "GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([part(MEDIA, "Hello."), part(CONFIG, TTS)], "first part must be 'config'"),
        ([part(CONFIG, TTS)], "no media"),
        ([], "ended before its config"),
        ([part(CONFIG, TTS), part(CONFIG, TTS)], "second part must be 'media'"),
        ([part(CONFIG, TTS), part(MEDIA, "a"), part(MEDIA, "b")], "exactly two parts"),
        ([part(CONFIG, b"\xff"), part(MEDIA, "a")], "not UTF-8"),
        ([part(CONFIG, "mode: ["), part(MEDIA, "a")], "not YAML"),
        ([part(CONFIG, "mode: dynamic"), part(MEDIA, "a")], "oneshot"),
        ([part(CONFIG, TTS), part(MEDIA, b"\xff")], "not UTF-8"),
        ([part(CONFIG, TTS), part(MEDIA, "  ")], "no text"),
        ([b"garbage"], "ended before its config"),
        ([b"--b0undary\r\ngarbage\r\n\r\n"], "malformed"),
    ],
)
async def test_a_wrong_call_is_refused_with_a_sentence(
    engine: StandaloneEngine, parts: list[bytes], said: str
) -> None:
    response = await call(engine, *parts)

    assert response.status == 400
    assert said in response.text


@pytest.mark.parametrize("boundary", [b"\x80", "\u0436".encode(), b""])
async def test_a_boundary_that_cannot_be_one_is_refused(
    engine: StandaloneEngine, boundary: bytes
) -> None:
    async with await connect(engine.port) as client:
        client.write(
            b"POST /api/v1/process HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
            b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n\r\n--b--\r\n"
        )
        response = await client.response()

    assert response.status == 400
    assert "must name the body's boundary" in response.text


async def test_a_foreign_pipeline_is_not_implemented(engine: StandaloneEngine) -> None:
    foreign = (
        "mode: oneshot\nsteps: [{kind: 'streamkit::http_input'}, {kind: 'streamkit::http_output'}]"
    )

    assert (await call(engine, part(CONFIG, foreign), part(MEDIA, "x"))).status == 501


async def test_media_must_begin_in_time(engine: StandaloneEngine) -> None:
    async with await connect(engine.port) as client:
        client.request("POST", PATH, LIVE_FORM)
        client.chunk(part(CONFIG, TTS))
        response = await client.response()

    assert response.status == 400
    assert "no media within 5 s" in response.text


DEADLY_TEXTS = ["'s" * 70, "\u00e9." * 200, "\u4e2d." * 200]


@pytest.mark.parametrize("text", DEADLY_TEXTS)
async def test_a_text_that_the_voice_dies_of_costs_its_own_request(
    engine: StandaloneEngine, text: str
) -> None:
    async with await connect(engine.port) as live:
        live.request("POST", PATH, LIVE_FORM)
        live.chunk(part(CONFIG, TTS) + part(MEDIA, "Hello ")[:-2])

        died = await call(engine, part(CONFIG, ESPEAK), part(MEDIA, text))

        live.chunk(f"there.\r\n--{B}--\r\n".encode())
        live.end_upload()
        assert (await live.response()).status == 200
    assert (died.status, died.text) == (500, "the voice failed at this text\n")


async def test_a_text_that_the_voice_dies_of_late_breaks_its_answer(
    engine: StandaloneEngine,
) -> None:
    text = "This is a sentence that is spoken well. " + DEADLY_TEXTS[0]

    assert not (await call(engine, part(CONFIG, ESPEAK), part(MEDIA, text))).whole


@pytest.mark.parametrize("word", ["\u0928\u092e\u0938\u094d\u0924\u0947", "\uc548\ub155"])
async def test_words_in_other_scripts_are_spoken_with_their_dictionaries(
    engine: StandaloneEngine, word: str
) -> None:
    spoken = await call(engine, part(CONFIG, TTS), part(MEDIA, word))

    assert seconds_of(spoken.body) > 0.3


async def test_requests_run_side_by_side(engine: StandaloneEngine) -> None:
    async with await connect(engine.port) as slow:
        slow.request("POST", PATH, LIVE_FORM)
        slow.chunk(part(CONFIG, STT) + part(MEDIA, "")[:-2])  # a live upload that has not begun

        responses = await asyncio.gather(
            *(call(engine, part(CONFIG, TTS), part(MEDIA, "Hello there.")) for _ in range(4))
        )

    assert [response.status for response in responses] == [200] * 4


# its life beside the gateway


@pytest.fixture
async def embedded() -> AsyncIterator[Program]:
    async with serving_program("--skit-url", "embedded") as run:
        yield run


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for temporary files: a socket's path may not be as long as pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def until_gone(family: list[int]) -> None:
    await until(lambda: [pid for pid in family if not is_gone(pid)], timeout=30, equals=[])


async def ask(port: int, method: str, path: str, body: bytes | None = None) -> Response:
    async with await connect(port) as client:
        return await client.ask(method, path, body=body)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_engine_dies_with_the_gateway_however_that_dies(
    embedded: Program, number: signal.Signals
) -> None:
    family = descendants(embedded.process.pid)
    assert len(family) >= 2, "the engine and its workers"

    embedded.signal(number)
    await embedded.ended()

    await until_gone(family)


async def test_the_engines_socket_is_reached_without_a_file(short_path: Path) -> None:
    async with serving_program("--skit-url", "embedded", TMPDIR=str(short_path)) as run:
        assert list(short_path.iterdir()) == []

        assert (await ask(run.port, "POST", "/tts", b"Hello.")).status == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("when", ["while it starts", "while it serves"])
async def test_nothing_is_left_behind_however_the_gateway_ends(
    short_path: Path, number: signal.Signals, when: str
) -> None:
    temporary = {"TMPDIR": str(short_path)}
    async with program("--listen", "127.0.0.1:0", "--skit-url", "embedded", **temporary) as run:
        await until(lambda: descendants(run.process.pid), timeout=30)
        if when == "while it serves":
            await run.line("listening on")
        family = descendants(run.process.pid)

        run.signal(number)
        await run.ended()

        await until_gone(family)
    assert list(short_path.iterdir()) == []


NEVER_PUBLISHED = """
import pathlib, threading
pathlib.Path.rename = lambda *_: threading.Event().wait()
"""


@pytest.fixture
async def starting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Program, Path]]:
    """A gateway whose engine has bound a socket, and never gets as far as its name; its TMPDIR."""
    temporary, site = tmp_path_factory.mktemp("t"), tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(NEVER_PUBLISHED)
    environ = {"TMPDIR": str(temporary), "PYTHONPATH": str(site)}
    async with program("--listen", "127.0.0.1:0", "--skit-url", "embedded", **environ) as run:
        await until(lambda: list(temporary.glob("*/*")), timeout=30)
        yield run, temporary


async def test_a_gateway_killed_before_the_engine_serves_leaves_no_folder(
    starting: tuple[Program, Path],
) -> None:
    run, temporary = starting
    family = descendants(run.process.pid)

    run.signal(signal.SIGKILL)
    await run.ended()

    await until_gone(family)
    assert list(temporary.iterdir()) == []


async def test_a_start_is_given_up_at_once_though_the_engine_hears_nothing(
    starting: tuple[Program, Path],
) -> None:
    run, temporary = starting
    family = descendants(run.process.pid)
    os.kill(family[0], signal.SIGSTOP)

    run.signal()
    try:
        async with asyncio.timeout(STOP_TIMEOUT - 1):
            # Not until its log ends: a worker that just starts may hold that a little longer.
            assert await run.process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            os.kill(family[0], signal.SIGCONT)

    await run.ended()
    await until_gone(family)
    assert list(temporary.iterdir()) == []


async def test_a_gateway_that_is_told_to_stop_while_the_engine_starts_gives_up() -> None:
    async with program("--listen", "127.0.0.1:0", "--skit-url", "embedded") as run:
        await until(lambda: descendants(run.process.pid), timeout=30)
        run.signal()

        assert await run.ended() == 0

    assert "stopped before it served" in run.log[-1]
    assert "listening on" not in run.log[-1]
    assert "Traceback" not in run.log[-1]


async def test_an_engine_that_has_no_place_for_its_socket_is_said_to_have_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(StartupError, match=r"can be written to \(TMPDIR\): No such file"):
        await Engine().start()


async def test_an_engine_that_dies_alone_is_told_of_and_started_again(embedded: Program) -> None:
    assert (await ask(embedded.port, "POST", "/tts", b"Hello.")).status == 200
    engine = descendants(embedded.process.pid)[0]
    os.kill(engine, signal.SIGSTOP)  # it cannot be back before it was seen to be gone
    os.kill(engine, signal.SIGKILL)
    await until_gone([engine])

    assert (await ask(embedded.port, "POST", "/tts", b"Hello.")).status == 502
    while (await ask(embedded.port, "GET", "/readyz")).status == 200:  # as it was a second ago
        await asyncio.sleep(0.05)

    await embedded.line("the bundled engine serves")
    while (await ask(embedded.port, "GET", "/readyz")).status == 503:  # until it is seen
        await asyncio.sleep(0.05)
    assert (await ask(embedded.port, "POST", "/tts", b"Hello.")).status == 200


async def test_the_engine_dies_in_the_middle_of_an_answer(embedded: Program) -> None:
    async with await connect(embedded.port) as client:
        client.begin_upload()
        client.chunk(b"OggS")
        engine = descendants(embedded.process.pid)[0]
        await until(lambda: descendants(engine))
        os.kill(engine, signal.SIGKILL)

        assert (await client.response()).status == 502


def test_a_missing_engine_is_named_in_a_settings_problem(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['av'] = None; sys.argv = ['x', '--skit-url', 'embedded'];"
    code = hidden + "from speech_gateway.__main__ import main; sys.exit(main())"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert "av" in run.stderr
    assert "speech-gateway[embedded]" in run.stderr


async def test_an_engine_that_cannot_be_started_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_process(*_args: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    engine = Engine()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_process)

    with pytest.raises(StartupError, match="temporarily unavailable"):
        await engine.start()
    await engine.stop()
