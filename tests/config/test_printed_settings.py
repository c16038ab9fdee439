"""``--print-config``: the settings in force, where they come from, and nothing that is secret."""

from pathlib import Path

import pytest

from speech_gateway import __version__
from speech_gateway.config.options import OPTIONS
from speech_gateway.config.settings import Settings, load
from tests.support.program import program

SECRET = "correct-horse-battery"
PLUGIN = """
class Plugin:
    def __init__(self, **options): self.options = options
    async def setup(self, app): pass
    def __eq__(self, other): return self.options == other.options
"""


async def printed(*argv: str, **environ: str) -> str:
    """Return what a process of its own prints."""
    async with program("--print-config", *argv, **environ) as run:
        assert run.process.stdout is not None
        out = (await run.process.stdout.read()).decode()
        assert await run.ended() == 0, run.log
    return out


def line(page: str, name: str) -> str:
    (found,) = [line for line in page.splitlines() if line.lstrip("#").startswith(f"{name}:")]
    return found


def read_again(page: str, folder: Path) -> Settings:
    (folder / "printed.conf").write_text(page)
    return load(["--config", str(folder / "printed.conf")], {})[0]


async def test_each_setting_has_a_line_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("max-queue: 7\nqueue-timeout: 5s\n")
    flags = ("--config", str(tmp_path / "own.conf"), "--queue-timeout", "6s", "-openai")

    page = await printed(*flags, GATEWAY_LOG_LEVEL="warning")

    assert f"speech-gateway {__version__}" in page
    names = [line.lstrip("#").partition(":")[0] for line in page.splitlines()[2:]]
    assert names == [option.name for option in OPTIONS]
    assert line(page, "max-queue") == f"max-queue: 7  # from the file {tmp_path}/own.conf"
    assert line(page, "queue-timeout") == "queue-timeout: 6s  # from the command line"
    assert line(page, "openai") == "openai: true  # from the command line"
    assert line(page, "log-level") == (
        "log-level: warning  # from the environment's GATEWAY_LOG_LEVEL"
    )
    assert line(page, "listen") == 'listen: ":8080"  # the default'
    assert line(page, "token") == "#token:  # not set"


async def test_it_is_a_config_file_that_has_the_same_effect(tmp_path: Path) -> None:
    flags = (
        *("--listen", "unix:/run/with # and 'quotes'\u00fc.sock", "--stt-model", 'a "b": c'),
        *("--allow-origin", "https://a.example", "--allow-origin", "null"),
        *("--trusted-hops", "10.0.0.0/8;::1", "--client-share", "50%"),
    )

    page = await printed(*flags)

    assert read_again(page, tmp_path) == load(flags, {})[0]


async def test_the_token_is_masked_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(f"token: {SECRET}\n")
    (tmp_path / "token").write_text(SECRET)
    pages = [
        await printed("--token", SECRET),
        await printed(SKIT_TOKEN=SECRET),
        await printed("--config", str(tmp_path / "own.conf")),
    ]
    from_file = await printed("--token-file", str(tmp_path / "token"))

    for page in pages:
        assert line(page, "token").startswith('#token: "********"  # from the ')
    assert f"token-file: {tmp_path}/token" in from_file
    assert not [page for page in (*pages, from_file) if SECRET in page]


async def test_what_keys_files_hold_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"radio {SECRET}\n")

    assert SECRET not in await printed("--client-keys", str(tmp_path / "keys"))


async def test_what_plugins_are_given_is_masked(tmp_path: Path) -> None:
    (tmp_path / "own_plugin.py").write_text(PLUGIN)
    plugin = f'own_plugin:Plugin {{"key": "{SECRET}"}}, own_plugin:Plugin'

    page = await printed("--plugin", plugin, PYTHONPATH=str(tmp_path))
    plain = await printed("--plugin", "own_plugin:Plugin", PYTHONPATH=str(tmp_path))

    assert line(page, "plugin").startswith("#plugin: ")
    assert r"own_plugin:Plugin {\"key\": \"********\"}, own_plugin:Plugin" in page
    assert SECRET not in page
    assert line(plain, "plugin") == 'plugin: "own_plugin:Plugin"  # from the command line'


async def test_a_credential_is_the_origin_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "speech-gateway.token").write_text(SECRET)

    page = await printed(CREDENTIALS_DIRECTORY=str(tmp_path))

    assert line(page, "token-file").endswith("# from the credential speech-gateway.token")


@pytest.mark.parametrize("url", [f"http://me:{SECRET}@skit.example", f"http://s/?key={SECRET}"])
async def test_wrong_settings_are_told_instead_and_show_no_credentials(url: str) -> None:
    async with program("--print-config", "--skit-url", url, "--max-queue", "x") as run:
        assert await run.ended() == 2

    assert "skit-url (from the command line)" in run.log[-1]
    assert "max-queue (from the command line)" in run.log[-1]
    assert SECRET not in run.log[-1]


async def test_gos_form_is_taken() -> None:
    async with program("-print-config=false", "-check-config") as run:
        assert await run.ended() == 0
    assert "right" in run.log[-1]
