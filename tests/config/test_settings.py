"""Contract section 4: flags beat the environment, that the file, that the defaults."""

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.config.addresses import ListenAddress
from speech_gateway.config.options import OPTIONS
from speech_gateway.config.parsers import seconds
from speech_gateway.config.settings import Settings, load
from speech_gateway.startup_error import StartupError

PIPELINE = """
mode: oneshot
steps:
  - kind: streamkit::http_input
  - kind: streamkit::http_output
"""


def settings(*argv: str, **environ: str) -> Settings:
    return load(argv, environ)[0]


def token(*argv: str, **environ: str) -> str | None:
    found = settings(*argv, **environ).token
    return None if found is None else found.value


def problems(*argv: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(StartupError) as caught:
        load(argv, environ)
    return caught.value.problems


def test_the_defaults_are_the_contracts() -> None:
    found = settings()

    assert found.listen == ListenAddress("", 8080)
    assert found.skit_url is not None
    assert (found.skit_url.host, found.skit_url.port) == ("127.0.0.1", 4545)
    assert found.token is None
    assert found.max_concurrency == 10
    assert found.max_body_bytes == 1048576
    assert found.max_tts_text_size == 1000
    assert (found.max_queue, found.queue_timeout) == (100, 30)
    assert (found.client_timeout, found.upstream_timeout, found.drain_timeout) == (30, 120, 30)
    assert found.first_byte_timeout == 10
    assert found.metrics_listen is None
    assert found.plugins == ()
    assert (found.log_format, found.log_level) == ("text", "info")
    assert "model_path: models/ggml-tiny-q5_1.bin" in found.pipelines["stt"].yaml


def test_the_frozen_environment_names_are_read() -> None:
    found = settings(
        GATEWAY_LISTEN="[::1]:1",
        SKIT_URL="https://skit.example/base",
        SKIT_TOKEN="abc",
        GATEWAY_MAX_CONCURRENCY="2",
        GATEWAY_MAX_BODY_BYTES="3",
        GATEWAY_MAX_TTS_TEXT_SIZE="4",
        GATEWAY_STT_MODEL="models/large.bin",
    )

    assert found.listen == ListenAddress("::1", 1)
    assert found.skit_url is not None
    assert (found.skit_url.tls, found.skit_url.port, found.skit_url.base_path) == (
        True,
        443,
        "/base",
    )
    assert found.token is not None
    assert found.token.value == "abc"
    assert (found.max_concurrency, found.max_body_bytes, found.max_tts_text_size) == (2, 3, 4)
    assert "model_path: models/large.bin" in found.pipelines["stt"].yaml


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text("max-queue: 1\nmax-concurrency: 1\nmax-body-bytes: 1\n")

    found = settings(
        "--config", str(file), "--max-queue", "3",
        GATEWAY_MAX_QUEUE="2", GATEWAY_MAX_CONCURRENCY="2",
    )  # fmt: skip

    assert (found.max_queue, found.max_concurrency, found.max_body_bytes) == (3, 2, 1)
    assert found.max_tts_text_size == 1000


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text("max-queue: 7\n")

    assert settings(GATEWAY_CONFIG=str(file)).max_queue == 7


def test_an_empty_variable_is_none() -> None:
    assert settings(GATEWAY_MAX_QUEUE="", SKIT_TOKEN="", GATEWAY_CONFIG="").max_queue == 100


@pytest.mark.parametrize(
    "text", ["unix:/run/gw.sock", ":0", "0.0.0.0:80", "[::]:80", "host.example:1"]
)
def test_where_to_listen(text: str) -> None:
    assert isinstance(settings("--listen", text).listen, ListenAddress)


@pytest.mark.parametrize(
    "text", ["8080", "host", ":", ":x", ":65536", "::1:80", "unix:", "unix:rel", "a b:1"]
)
def test_where_not_to_listen(text: str) -> None:
    (problem,) = problems("--listen", text)

    assert problem.startswith("listen (from the command line)")
    assert "[::1]:port" in problem


@pytest.mark.parametrize(
    "url",
    [
        "skit",
        "ftp://skit",
        "http://",
        "http://u:p@skit",
        "http://skit?x=1",
        "http://skit:0",
        "http://a..b:1",
        "http://s kit",
    ],
)
def test_what_is_no_backend(url: str) -> None:
    (problem,) = problems(SKIT_URL=url)

    assert "environment's SKIT_URL" in problem
    assert "u:p" not in problem


@pytest.mark.parametrize(
    ("text", "expected"), [("30", 30), ("0.5", 0.5), ("500ms", 0.5), ("2m", 120), ("1 s", 1)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds()(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e3", "x", "", "1d", "25h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        seconds()(text)


def test_origins_come_from_flags_the_environment_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text('allow-origin: ["*", null]\n')

    flags = settings("--allow-origin", "HTTPS://a.example:443", "--allow-origin", "app://-")
    environ = settings(GATEWAY_ALLOW_ORIGINS="http://[0::1]:3000, null")

    assert settings().allow_origins == frozenset()
    assert settings(GATEWAY_ALLOW_ORIGINS="").allow_origins == frozenset()
    assert flags.allow_origins == {"https://a.example", "app://-"}
    assert environ.allow_origins == {"http://[::1]:3000", "null"}
    assert settings("--config", str(file)).allow_origins == {"*", "null"}


@pytest.mark.parametrize(
    "text",
    [
        *("app.example", "https://app.example/", "https://app.example/path", "https://a?x"),
        *("https://*.example", "https://*", "**", "https://u@a", "https://a:0", "https://"),
        *("https://a,", ",", "https://a https://b", "true"),
    ],
)
def test_what_is_no_origin(text: str) -> None:
    assert problems("--allow-origin", text) == (
        "allow-origin (from the command line) must be *, null or scheme://host[:port] like "
        "https://app.example or http://localhost:3000, without a path, a query or a wildcard",
    )


def test_all_problems_are_told_at_once_with_name_origin_and_what_may_be(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text("max-concurency: 5\nclient-timeout: soon\nlog-level: [info, debug]\n")

    found = problems(
        "--config", str(file), "--max-queue", "-1", "--listen", "--quiet", GATEWAY_LOG_FORMAT="xml"
    )  # fmt: skip

    assert sorted(found) == [
        f"client-timeout (from the file {file}) must be a duration, more than 0 to 24h, "
        "like 30, 0.5, 500ms or 2m",
        "listen (from the command line) is given without a value",
        "log-format (from the environment's GATEWAY_LOG_FORMAT) must be text or json or otel or "
        "ecs",
        f"log-level (from the file {file}) is given more than one value",
        f"max-concurency (from the file {file}) is no setting",
        "max-queue (from the command line) must be a whole number, 0 or more",
        "quiet (from the command line) is no setting",
    ]


def test_a_file_that_cannot_be_read_hides_no_other_problem(tmp_path: Path) -> None:
    found = problems("--config", str(tmp_path / "none.yml"), "--max-queue", "x")

    assert len(found) == 2
    assert found[0].startswith("config (from the command line) must be a YAML file of settings")
    assert "none.yml cannot be read: No such file" in found[0]


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [\n", "word"])
def test_a_file_that_is_no_mapping_is_a_problem(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.yml"
    file.write_text(text)

    assert problems("--config", str(file))


def test_a_token_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")

    assert token("--token-file", str(file)) == "s3cret"


def test_a_token_given_beats_the_service_managers_credential(tmp_path: Path) -> None:
    (tmp_path / "speech-gateway.token").write_text("credential")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert token(**environ) == "credential"
    assert token("--token", "given", **environ) == "given"


def test_two_tokens_are_one_too_many(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")

    (problem,) = problems("--token-file", str(file), SKIT_TOKEN="other")

    assert "token-file" in problem
    assert "SKIT_TOKEN" in problem
    assert "s3cret" not in problem
    assert "other" not in problem


def test_the_console_needs_the_api_that_it_uses() -> None:
    (problem,) = problems(GATEWAY_CONSOLE="true")

    assert problem == (
        "console (from the environment's GATEWAY_CONSOLE) needs openai as well, which is off"
    )
    assert settings("--console", "--openai").console
    assert not settings("--openai").console


@pytest.mark.parametrize(
    "listen", ["", ":10300", "127.0.0.1:10300", "localhost:1", "[::1]:1", "unix:/run/wyoming.sock"]
)
def test_nothing_is_announced_that_others_cannot_reach(listen: str) -> None:
    (problem,) = problems("--wyoming-announce", GATEWAY_WYOMING_LISTEN=listen)

    assert problem == (
        "wyoming-announce (from the command line) needs a wyoming-listen that others can reach"
    )


@pytest.mark.parametrize("listen", ["0.0.0.0:10300", "[::]:10300", "192.0.2.1:10300", "house:1"])
def test_what_others_may_reach_may_be_announced(listen: str) -> None:
    assert settings("--wyoming-announce", "--wyoming-listen", listen).wyoming_announce


def test_wyoming_is_of_this_machine_alone_where_no_host_is_given() -> None:
    address = settings("--wyoming-listen", ":10300").wyoming_listen

    assert address is not None
    assert (address.host, address.port) == ("127.0.0.1", 10300)
    assert settings().wyoming_listen is None


@pytest.mark.parametrize(
    ("flag", "part", "extra"),
    [
        ("--wyoming-listen=:10300", "wyoming", "wyoming"),
        ("--wyoming-listen=:10300", "av", "wyoming"),
        ("--wyoming-announce", "zeroconf", "wyoming"),
        ("--openai", "av", "openai"),
    ],
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, flag: str, part: str, extra: str
) -> None:
    monkeypatch.setattr(
        "speech_gateway.config.options.find_spec",
        lambda name: None if name == part else find_spec(name),
    )

    (problem,) = problems(flag)

    assert f"needs {part}: install speech-gateway[{extra}]" in problem


@pytest.mark.parametrize("content", ["", "two words", "ctrl\x01"])
def test_a_token_file_holds_one_token(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)

    (problem,) = problems("--token-file", str(file))

    assert "one token" in problem


def test_a_bad_token_is_not_shown() -> None:
    (problem,) = problems("--token", "s3 cret")

    assert "s3" not in problem


def test_a_pipeline_of_ones_own_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "own.yml"
    file.write_text(PIPELINE)

    assert settings("--tts-pipeline", str(file)).pipelines["tts"].yaml == PIPELINE


def test_a_pipeline_may_be_a_graph_of_nodes(tmp_path: Path) -> None:
    file = tmp_path / "own.yml"
    file.write_text(
        "mode: oneshot\nnodes:\n  a: {kind: 'streamkit::http_input'}\n"
        "  b: {kind: 'streamkit::http_output', needs: a}\n"
    )

    assert settings("--stt-pipeline", str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mode: [", "is not YAML (line 1)"),
        ("just text", "is not a YAML mapping"),
        ("mode: dynamic", "mode: oneshot"),
        (PIPELINE.replace("http_input", "file_input"), "no streamkit::http_input"),
        (PIPELINE.replace("http_output", "file_output"), "no streamkit::http_output"),
        ("mode: oneshot\nsteps: 5", "no streamkit::http_input"),
        ("mode: oneshot\nsteps: [5, {kind: [x]}]", "no streamkit::http_input"),
    ],
)
def test_a_pipeline_that_would_not_run_stops_the_start(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "own.yml"
    file.write_text(text)

    (problem,) = problems("--tts-pipeline", str(file))

    assert problem.startswith("tts-pipeline (from the command line)")
    assert said in problem


@given(st.sampled_from([option.name for option in OPTIONS]), st.text())
def test_no_value_at_all_raises_anything_but_a_problem(name: str, value: str) -> None:
    with suppress(StartupError):
        assert load([f"--{name}={value}"], {})
