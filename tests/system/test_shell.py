"""The man page and the completions: current, well-formed, and at work in the shells."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts import write_completions, write_man_page
from speech_gateway.config.command_line import COMMANDS
from speech_gateway.config.options import OPTIONS
from tests.support.paths import ROOT
from tests.support.program import program
from tests.support.terminal import terminal

FOLDER = ROOT / "speech_gateway" / "shell"
BASH, ZSH, FISH = "speech-gateway.bash", "_speech-gateway", "speech-gateway.fish"


@pytest.mark.parametrize("name", list(write_completions.FILES))
def test_a_completion_is_what_the_definitions_make_of_it(name: str) -> None:
    assert (FOLDER / name).read_text() == write_completions.FILES[name](), "run: make config"


def test_the_man_page_is_what_the_definitions_make_of_it() -> None:
    assert write_man_page.MAN_PAGE.read_text() == write_man_page.render(), "run: make config"


def test_mandoc_finds_no_fault_in_the_man_page() -> None:
    command = ["mandoc", "-T", "lint", "-W", "style", str(write_man_page.MAN_PAGE)]

    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""


def test_the_man_page_tells_of_everything() -> None:
    command = ["mandoc", "-T", "ascii", str(write_man_page.MAN_PAGE)]
    bold = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = " ".join(re.sub(".\b", "", bold).split())

    for name in (*(o.name for o in OPTIONS), *(c.name for c in COMMANDS), "config"):
        assert f"--{name} " in page, name
    for option in OPTIONS:
        assert f"Environment: {option.environment}; default: " in page, option.name


@pytest.mark.parametrize(("shell", "name"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
async def test_the_program_prints_what_is_shipped(shell: str, name: str) -> None:
    async with program("--print-completion", shell) as run:
        assert run.process.stdout is not None
        assert (await run.process.stdout.read()).decode() == (FOLDER / name).read_text()
        assert await run.ended() == 0


async def test_another_shell_is_refused() -> None:
    async with program("-print-completion=tcsh") as run:
        assert await run.ended() == 2
    assert "must be bash or zsh or fish" in run.log[-1]


# --- at work

SHELL = {"bash": ("bash", "--norc", "--noprofile", "-i"), "zsh": ("zsh", "-f", "-i")}
LOADING = {
    "bash": f"source {FOLDER / BASH}",
    "zsh": f"fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -D -u",
}
BEGINNING, END = "\x01", "\x05"
"""Of the line that is typed: the keys Ctrl-A and Ctrl-E."""
COMPLETED = [
    ("--log-l", "--log-level"),
    ("--log-level de", "--log-level debug"),
    ("--log-format=te", "--log-format=text"),
    ("-log-level=de", "-log-level=debug"),
    ("--openai --cons", "--openai --console"),
    ("--print-completion ba", "--print-completion bash"),
    ("--config own.c", "--config own.conf"),
    ("--max-queue own.c", "--max-queue own.c"),
]
"""What is typed before the Tab key, and what stands there then."""
IN_BASH_AND_ZSH = [*COMPLETED, ("--openai=tr", "--openai=true")]


@pytest.mark.parametrize(("typed", "completed"), IN_BASH_AND_ZSH)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
async def test_a_shell_completes(shell: str, typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "own.conf").touch()
    async with terminal(*SHELL[shell]) as at:
        at.type(f"cd {tmp_path}; {LOADING[shell]}; echo rea''dy\n")
        await at.until_shown("\nready")
        at.type(f"speech-gateway {typed}\t{BEGINNING}echo '<'{END}'>'\n")
        shown = await at.until_shown("\n<speech-gateway (.*?) ?>\r")

    assert shown[1] == completed


@pytest.mark.parametrize(("typed", "completed"), COMPLETED)
def test_fish_completes(typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "own.conf").touch()
    script = f'source {FOLDER / FISH}; complete -C "speech-gateway {typed}"'
    asked = ["fish", "--no-config", "-c", script]

    out = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    found = [line.partition("\t")[0] for line in out.splitlines()]
    assert (found or [typed.rsplit(maxsplit=1)[-1]]) == [completed.rsplit(maxsplit=1)[-1]]
