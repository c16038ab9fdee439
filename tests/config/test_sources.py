"""How settings may be given: Go's flags, empty values, and texts taken as they are written."""

from pathlib import Path

import pytest

from speech_gateway.config.options import OPTIONS
from speech_gateway.config.settings import Settings, load
from speech_gateway.config.sources import Sources, read_sources
from speech_gateway.startup_error import StartupError


def settings(*argv: str, **environ: str) -> Settings:
    return load(argv, environ)[0]


def problems(*argv: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(StartupError) as caught:
        load(argv, environ)
    return caught.value.problems


def sources(*argv: str, **environ: str) -> Sources:
    return read_sources(OPTIONS, argv, environ)


def token(*argv: str, **environ: str) -> str | None:
    found = settings(*argv, **environ).token
    return None if found is None else found.value


def stt_pipeline(*argv: str, **environ: str) -> str:
    return settings(*argv, **environ).pipelines["stt"].yaml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.yml"


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_every_flag_may_have_gos_form(name: str) -> None:
    usual = sources(f"--{name}", "a value")

    assert usual.given[name].texts == ("a value",)
    assert sources(f"-{name}", "a value") == usual
    assert sources(f"-{name}=a value") == usual
    assert sources(f"--{name}=a value") == usual


@pytest.mark.parametrize("flags", [("-openai",), ("-openai=true",), ("-openai", "-max-queue", "5")])
def test_a_switch_may_have_gos_form(flags: tuple[str, ...]) -> None:
    assert settings(*flags).openai


@pytest.mark.parametrize("flag", ["-config", "--config"])
def test_the_file_may_be_named_in_gos_form(file: Path, flag: str) -> None:
    file.write_text("max-queue: 7")

    assert settings(flag, str(file)).max_queue == 7


def test_settings_are_only_checked_in_gos_form() -> None:
    assert load(["-check-config"], {})[1]


@pytest.mark.parametrize("flags", [("--token", "-abc"), ("-token", "-abc"), ("--token=-abc",)])
def test_a_value_may_begin_with_a_dash(flags: tuple[str, ...]) -> None:
    assert token(*flags) == "-abc"


def test_a_flag_is_nobodys_value() -> None:
    assert problems("-listen", "-max-queue", "5") == (
        "listen (from the command line) is given without a value",
    )


def test_a_stray_word_is_told_by_its_place_and_not_shown() -> None:
    (problem,) = problems("--token", "half", "of-a-token")

    assert problem == "word 3 of the command line is no setting, nor the value of one"


def test_an_unknown_flag_takes_its_value_with_it() -> None:
    assert problems("--max-concurency", "5") == (
        "max-concurency (from the command line) is no setting",
    )


def test_an_empty_value_is_the_default(file: Path) -> None:
    file.write_text("stt-model:\nmax-queue: ''\ntoken: \"\"\nplugin: []\n")

    assert stt_pipeline("--stt-model=") == stt_pipeline()
    assert stt_pipeline(GATEWAY_STT_MODEL="") == stt_pipeline()
    assert token("--token", "") is None
    assert settings("--config", str(file)) == settings()
    assert settings("--config=") == settings()


def test_an_empty_flag_beats_what_comes_after_it(file: Path) -> None:
    file.write_text("max-queue: 7")

    assert token("--token=", SKIT_TOKEN="abc") is None
    assert settings("--config", str(file), "--max-queue=").max_queue == 100


def test_an_empty_token_is_no_second_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")

    assert token("--token", "", "--token-file", str(tmp_path / "token")) == "abc"


@pytest.mark.parametrize("text", ["[abc]", "[a,b]", "0123", "1e3", "null", "~", "true", "'x'"])
def test_a_variable_is_taken_as_it_is_written(text: str) -> None:
    assert token(SKIT_TOKEN=text) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("2001-01-01", "2001-01-01"),
        ("!!timestamp x", "x"),
        ("'[abc]'", "[abc]"),
        ("null", "null"),
    ],
)
def test_a_value_in_the_file_is_the_text_that_is_written(
    file: Path, written: str, text: str
) -> None:
    file.write_text(f"token: {written}\n")

    assert token("--config", str(file)) == text


def test_a_setting_that_the_file_has_twice_is_refused(file: Path) -> None:
    file.write_text("max-queue: 1\nmax-queue: 2\n")

    assert problems("--config", str(file)) == (f"max-queue (from the file {file}) is given twice",)


@pytest.mark.parametrize("level", ["info", "INFO", " Info"])
def test_a_choice_may_have_any_case(level: str) -> None:
    assert settings(GATEWAY_LOG_LEVEL=level).log_level == "info"
    assert settings("--log-format", "JSON").log_format == "json"


def test_a_file_may_have_several_of_what_may_come_again(file: Path) -> None:
    file.write_text("plugin: [a:b, c:d]\n")

    assert sources("--config", str(file)).given["plugin"].texts == ("a:b", "c:d")
