"""Whatever an operator writes or sets: it serves, or tells in plain lines what is wrong."""

import contextlib
import gc
import io
import logging
import os
import re
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_gateway import __main__ as program_module
from speech_gateway.config.options import OPTIONS
from speech_gateway.server.sd_notify import Supervisor
from tests.support.client import connect_to_file
from tests.support.polling import until
from tests.support.process import listens
from tests.support.program import program

TOO_LONG = "unix:/" + 200 * "x"
SOCKET_PATH = "must be a unix socket's path of at most 107 bytes"
DEEP = 5000 * "["
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+ (DEBUG|INFO|WARNING|ERROR) ")
NASTY = [
    *(
        "",
        " ",
        "-",
        "--",
        "~",
        "null",
        "[abc]",
        "[a, b]",
        "/",
        ".",
        "a\nb",
        "a\0b",
        "\ud800",
        "\udcff",
    ),
    *(
        "a..b:80",
        ":99999999999999999999",
        TOO_LONG,
        "unix:/proc/none",
        "[::1%lo]:0",
        "::1",
        "0/0;,",
    ),
    *("0123", "1e3", "nan", "½", "٣", 400 * "9", "http://[::1", "http://a..b", "embedded\0"),
    *("/dev/null", "/dev/zero", "/proc/self/mem", 5000 * "a/", "sys:exit", "json:dumps"),
]
YAML = [
    *("!!timestamp x", "!!int x", "!!float ''", "!!binary é", "!!python/object:os.system {}"),
    *("2001-99-99", DEEP, 3000 * "- ", "a: *b", "&a [*a]", "{<<: 5}", "? [a]\n: b", "a: 1\na: 2"),
    *("\t", "%YAML 9", "--- a\n--- b", "token: 0123", "1: 2", "~: x", '"\\ud800": x', '"a\\nb": x'),
    *("\ufeffmax-queue: 5", "max-queue: {a: b}", "max-queue: [1, [2]]", 'listen: "unix:/\\ud800"'),
    *("voices: {a: {}}\nabout: 5", "voices: {a: {}}\nabout: {b: {}}"),
    *("voices: {a: {}}\nabout: {a: {age: x}}", "voices: {a: {}}\nabout: {a: {language: 5}}"),
    *("voices: {1: {}}", 'voices: {"a\\nb": 5}', "voices: {a: {}}\nspeed: 5"),
    f"voices: {{a: {{}}}}\nspeed: {{least: 1, most: 0x{400 * 'f'}}}",
    "mode: oneshot\nsteps: [{kind: 'plugin::x', params: [a]}]",
    "mode: oneshot\nsteps: [{kind: 'streamkit::http_input'}, {kind: 'streamkit::http_output'}, "
    f"{300 * '['}{300 * ']'}]",
]
TAKE_FILES = ["config", "voices", "tts-pipeline", "client-keys", "token-file"]
PLUGINS = """
import sys
class Raising:
    async def setup(self, app): raise RuntimeError("no\\nlonger")
class Exiting:
    async def setup(self, app): sys.exit("bye")
class LaterRaising:
    async def setup(self, app): app.on_startup.append(self.start)
    async def start(self, app): raise RuntimeError("no longer")
"""
WORDS = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
FILES = st.one_of(
    st.sampled_from(YAML).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=50),
    st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.just(b"x" * (1 << 21)),
)
NAMES = [*(option.name for option in OPTIONS), "config", "check-config", "no-such"]
FILE = "<the file>"
"""Stands for the path of a file that holds one of FILES."""
FLAGS = st.tuples(
    st.sampled_from(["-", "--"]),
    st.sampled_from(NAMES),
    st.sampled_from(["=", " "]),
    WORDS | st.just(FILE),
)
VARIABLES = st.dictionaries(
    st.sampled_from(
        [
            *(option.environment for option in OPTIONS),
            *("GATEWAY_CONFIG", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"),
            *("LISTEN_FDS", "JOURNAL_STREAM", "TMPDIR", "PROMETHEUS_MULTIPROC_DIR"),
        ]
    ),
    (WORDS | st.just(FILE)).filter(lambda text: "\0" not in text and not _half_pair(text)),
    max_size=3,
)


def _half_pair(text: str) -> bool:
    """Tell what no environment can hold."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return True
    return False


def run(argv: list[str], environ: Mapping[str, str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines on standard error; the program runs in this process."""
    said, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    try:
        with (
            mock.patch.dict(os.environ, {**kept, **environ}, clear=True),
            mock.patch.object(program_module, "_tune_garbage_collector"),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            status = program_module.main(argv)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.raiseExceptions = True
    return status, said.getvalue().splitlines()


def words_of(flags: list[tuple[str, str, str, str]], file: Path) -> Iterator[str]:
    for dashes, name, between, value in flags:
        text = str(file) if value == FILE else value
        yield from [f"{dashes}{name}={text}"] if between == "=" else [f"{dashes}{name}", text]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator") / "file"


def told_plainly(argv: list[str], environ: Mapping[str, str]) -> None:
    status, lines = run([*argv, "--check-config"], environ)

    assert status in (0, 2)
    assert lines
    assert all(line.startswith("speech-gateway: ") and line.isprintable() for line in lines), lines
    assert "Traceback" not in str(lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_right_or_wrong_in_plain_lines(name: str) -> None:
    for word in NASTY:
        told_plainly([f"--{name}={word}"], {})


@pytest.mark.parametrize("name", TAKE_FILES)
def test_a_file_is_right_or_wrong_in_plain_lines(file: Path, name: str) -> None:
    for text in YAML:
        file.write_text(text, errors="surrogatepass")
        told_plainly([f"--{name}={file}"], {})


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FLAGS, max_size=4), VARIABLES, FILES)
def test_settings_are_right_or_wrong_in_plain_lines(
    file: Path, flags: list[tuple[str, str, str, str]], variables: dict[str, str], content: bytes
) -> None:
    file.write_bytes(content)
    environ = {name: str(file) if text == FILE else text for name, text in variables.items()}

    told_plainly(list(words_of(flags, file)), environ)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FLAGS, max_size=2), VARIABLES, FILES)
def test_a_start_serves_or_ends_in_plain_lines(
    file: Path, flags: list[tuple[str, str, str, str]], variables: dict[str, str], content: bytes
) -> None:
    file.write_bytes(content)
    environ = {name: str(file) if text == FILE else text for name, text in variables.items()}
    argv = ["--listen", "127.0.0.1:0", *words_of(flags, file)]

    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with mock.patch.object(Supervisor, "ready", stop):
        status, lines = run(argv, environ)

    assert status in (0, 1, 2)
    assert "unexpected" not in str(lines)
    assert "Traceback" not in str(lines)
    for line in lines:
        assert line.startswith(("speech-gateway: ", "{")) or LOG_LINE.match(line), line


def test_a_unix_sockets_path_that_is_too_long_is_told_with_what_may_be() -> None:
    status, lines = run(["--listen", TOO_LONG], {})

    assert status == 2
    assert lines == [f"speech-gateway: listen (from the command line) {SOCKET_PATH}"]


def test_an_address_that_cannot_be_had_stops_the_start_and_leaves_no_socket_open() -> None:
    status, lines = run(["--listen", "unix:/proc/none"], {})

    gc.collect()  # a socket that was left is a warning, and that an error
    assert status == 1
    assert lines == ["speech-gateway: cannot listen on /proc/none: No such file or directory"]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("Raising", "'{module}:Raising' cannot be set up: RuntimeError: no\\nlonger"),
        ("Exiting", "'{module}:Exiting' cannot be set up: SystemExit: bye"),
        ("LaterRaising", "unexpected RuntimeError: no longer"),
    ],
)
def test_a_plugin_that_cannot_be_set_up_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, said: str
) -> None:
    module = f"operators_plugin_{plugin.lower()}"
    (tmp_path / f"{module}.py").write_text(PLUGINS)
    monkeypatch.syspath_prepend(str(tmp_path))

    status, lines = run(["--listen", "127.0.0.1:0", "--plugin", f"{module}:{plugin}"], {})

    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("speech-gateway: ")
    assert said.format(module=module) in lines[0]
    gc.collect()  # a socket that was left is a warning, and that an error


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/proc/none", "can be written to"), ("{long}", "whose path is shorter")],
    ids=["read-only", "too long a path"],
)
def test_the_engine_without_a_place_for_its_socket_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, said: str
) -> None:
    long = tmp_path / (90 * "x")
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", folder.format(long=long))

    status, lines = run(["--listen", "127.0.0.1:0", "--skit-url", "embedded"], {})

    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("speech-gateway: the bundled engine needs a folder")
    assert said in lines[0]
    assert not list(long.iterdir())


async def test_numbers_for_other_processes_are_none_of_the_gateways() -> None:
    async with program("--listen", "127.0.0.1:0", PROMETHEUS_MULTIPROC_DIR="/proc/none") as started:
        await started.line("listening on")
        started.signal()
        assert await started.ended() == 0


async def test_it_serves_with_its_standard_streams_closed(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    closing = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    async with program("--listen", f"unix:{path}", before=closing) as started:

        async def serves() -> bool:
            assert started.process.returncode is None
            return await listens(lambda: connect_to_file(path))

        await until(serves, timeout=30)
        async with await connect_to_file(path) as client:
            assert (await client.ask("GET", "/healthz")).status == 200
        started.signal()
        assert await started.ended() == 0


@pytest.mark.parametrize("argument", ["--help", "--check-config"])
async def test_what_nobody_can_read_is_not_worth_a_fault(argument: str) -> None:
    full = ("sh", "-c", 'exec "$@" >/dev/full 2>/dev/full', "sh")
    async with program(argument, before=full) as started:
        assert await started.ended() == 0
