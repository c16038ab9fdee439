"""CONTRIBUTING.rst is true, and so are the files that tools read before a commit."""

import re
import subprocess
import sys
import tomllib
from configparser import ConfigParser

import yaml

from tests.support.documents import CONTRIBUTING
from tests.support.paths import ROOT


def test_one_test_is_run_as_it_says() -> None:
    command = CONTRIBUTING.command("-m pytest")
    run = subprocess.run(
        command.replace(".venv/bin/python", sys.executable),
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_hooks_before_a_commit_are_the_steps_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    steps = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == steps
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_editors_break_lines_where_ruff_does() -> None:
    editors = ConfigParser()
    editors.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]

    assert editors["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert editors["Makefile"]["indent_style"] == "tab"
