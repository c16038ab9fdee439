"""Writes the man page, from the definitions of the settings and the commands."""

import textwrap
from pathlib import Path

from speech_gateway import __version__
from speech_gateway.config.command_line import (
    COMMANDS,
    CONFIG,
    CONFIG_HELP,
    CONFIG_VARIABLE,
    HELP,
    Command,
)
from speech_gateway.config.option_type import Option
from speech_gateway.config.options import OPTIONS

MAN_PAGE = Path(__file__).parents[1] / "speech_gateway" / "shell" / "speech-gateway.1"
DATE = "2026-11-26"
"""When what is written here by hand was last changed."""
HEAD = """\
.\\" Written by: make config
.TH SPEECH-GATEWAY 1 "{date}" "speech-gateway {version}" "User Commands"
.SH NAME
speech-gateway \\- plain HTTP in front of a StreamKit media server
.SH SYNOPSIS
.B speech-gateway
.RI [ "\\-\\-setting value" "] ..."
.br
.B speech-gateway
.RI [ "\\-\\-setting value" "] ... " \\-\\-command
.SH DESCRIPTION
A gateway that turns plain HTTP into speech, and speech into text:
.B POST /tts
with a text streams audio back,
.B POST /stt
with audio streams transcripts back.
What speaks and listens is a StreamKit server, or the bundled engine.
.PP
A flag beats the environment, that beats the config file,
that beats the default.
An empty value is the default.
Go's form of flags is taken as well:
.BR "\\-listen :8080" ,
.BR \\-listen=:8080 .
"""
TAIL = """\
.SH EXIT STATUS
.TP
.B 0
It was asked to stop, and did; or what a command asked for is so.
.TP
.B 1
It cannot serve; or, after
.BR \\-\\-health ,
the gateway is not ready.
.TP
.B 2
The settings are wrong.
All that is wrong is told at once.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Refuse new requests, let those under way finish, and end.
A second one ends the wait.
.TP
.B SIGHUP
Read all settings again, for new requests;
wrong ones change nothing.
.SH EXAMPLES
.TP
Serve with the bundled engine:
.B speech-gateway \\-\\-skit\\-url embedded \\-\\-openai
.TP
Is the gateway that listens where the environment says ready?
.B speech-gateway \\-\\-health
.TP
Write down the settings in force:
.B speech-gateway \\-\\-print\\-config > speech-gateway.conf
.SH SEE ALSO
.BR curl (1),
.BR haproxy (1),
.BR systemd.exec (5)
"""


def render() -> str:
    """Return the page's text."""
    commands = map(_command, COMMANDS)
    config = _entry(f"--{CONFIG}", "FILE", CONFIG_HELP, CONFIG_VARIABLE, "none")
    settings = (config, *map(_setting, OPTIONS))
    sections = (".SH COMMANDS\n", *commands, ".SH SETTINGS\n", *settings)
    return "".join([HEAD.format(date=DATE, version=__version__), *sections, TAIL])


def _command(command: Command) -> str:
    names = f"-h, --{HELP}" if command.name == HELP else f"--{command.name}"
    value = f' " {_escaped(command.usage)}"' if command.takes else ""
    return f'.TP\n.BI "{_escaped(names)}"{value}\n{_sentence(command.help)}\n'


def _setting(option: Option) -> str:
    default = option.default if option.default is not None else "none"
    value = "[true|false]" if option.switch else option.placeholder
    return _entry(f"--{option.name}", value, option.help, option.environment, default)


def _entry(flag: str, value: str, told: str, environment: str, default: str) -> str:
    return (
        f'.TP\n.BI "{_escaped(flag)}" " {_escaped(value)}"\n{_sentence(told)}\n'
        f"Environment:\n.BR {environment} ;\ndefault:\n.BR {_escaped(default)} .\n"
    )


def _sentence(text: str) -> str:
    """Return text as a sentence, in lines that an editor shows whole."""
    lines = textwrap.wrap(f"{text[0].upper()}{text[1:]}.", 72, break_on_hyphens=False)
    return "\n".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    """Return text as roff takes it: hyphens that may be copied, no commands."""
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


if __name__ == "__main__":
    MAN_PAGE.write_text(render())
