"""Writes ``config/speech-gateway.conf``: every setting, commented, at its default."""

from pathlib import Path

from speech_gateway.config.option_type import Option
from speech_gateway.config.options import OPTIONS

CONFIG = Path(__file__).parents[1] / "config" / "speech-gateway.conf"
HEAD = """\
# Settings of speech-gateway, as YAML: every one there is, commented out, at its default.
# A flag beats the environment (the variable in brackets), that beats this file.
# Under systemd the address is that of speech-gateway.socket, and listen has no say.
# What is wrong here is told by: speech-gateway --config FILE --check-config
"""


def render() -> str:
    """Return the file's text."""
    return "\n".join([HEAD, *map(_entry, OPTIONS)])


def _entry(option: Option) -> str:
    value = option.default if option.default is not None else option.example
    assert value is not None, f"{option.name} has neither a default nor an example"
    shown = f'"{value}"' if ":" in value else value
    none = "" if option.default is not None else ", none by default"
    return f"# {option.help} [{option.environment}]{none}\n#{option.name}: {shown}\n"


if __name__ == "__main__":
    CONFIG.write_text(render())
