"""``speech-gateway install-service``: makes a service of systemd's of an installed gateway."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import standard_streams
from ..startup_error import StartupError
from . import interpreter
from .service_tree import ServiceTree

_NEXT = """\
Look through {config}/speech-gateway.conf, then start it:
    systemctl daemon-reload && systemctl enable --now speech-gateway.socket speech-gateway.service
"""


def main(argv: Sequence[str]) -> int:
    """Install the service's files, or remove them, as argv says.

    Raises:
        StartupError: the service could not run this gateway, or a file cannot be written.
    """
    given = _parser().parse_args(argv)
    root = Path(given.root).resolve()
    prefix = Path("/", Path(sys.prefix).relative_to(root)) if _below(root) else Path(sys.prefix)
    tree = ServiceTree(
        root=root,
        prefix=prefix,
        config=given.config,
        units=given.units,
        share=given.share or prefix / "share/speech-gateway",
    )
    try:
        told = _uninstall(tree) if given.uninstall else _install(tree, engine=given.engine)
    except OSError as error:
        raise StartupError(f"{error.filename} cannot be written: {error.strerror}") from error
    standard_streams.say(sys.stdout, told)
    return 0


def _install(tree: ServiceTree, *, engine: bool) -> str:
    package = str(Path(__file__).parents[1])
    root = str(tree.root)
    told = interpreter.place_problem(sys.prefix, root) or interpreter.problem(root)
    if told := told or interpreter.place_problem(package, root):
        raise StartupError(
            f"as a service this gateway would not start: {told}; it should be in an environment "
            "like /opt/speech-gateway, made with the system's own Python (/usr/bin/python3)"
        )
    if not Path(sys.prefix, "bin/speech-gateway").exists():
        raise StartupError(
            f"there is no {sys.prefix}/bin/speech-gateway for the service to run; the gateway "
            "should be installed in a virtual environment"
        )
    umask = os.umask(0o022)  # what the service's user may not read is of no use
    try:
        told = tree.install(engine=engine)
    finally:
        os.umask(umask)
    return told if tree.staged else told + _NEXT.format(config=tree.config)


def _uninstall(tree: ServiceTree) -> str:
    tree.uninstall()
    return f"Left: {tree.config}, and the token in /etc/credstore where there is one.\n"


def _below(root: Path) -> bool:
    return root != Path("/") and Path(sys.prefix).is_relative_to(root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="speech-gateway install-service",
        description="Make a service of systemd's of this gateway, where it is installed: units, "
        "configuration, and what Prometheus, Grafana and HAProxy are given. Safe to repeat.",
    )
    parser.add_argument("--uninstall", action="store_true", help="remove it, but for its settings")
    for name, default, told in (
        ("units", "/etc/systemd/system", "for the units"),
        ("config", "/etc/speech-gateway", "for the settings, which are kept when edited"),
        ("root", "/", "for packages: what all is put below, this environment included"),
    ):
        parser.add_argument(
            f"--{name}", metavar="DIR", type=Path, default=default, help=f"{told} ({default})"
        )
    parser.add_argument(
        "--share", metavar="DIR", type=Path, help="for dashboard, rules and the like"
    )
    parser.add_argument(
        "--engine",
        action=argparse.BooleanOptionalAction,
        default=importlib.util.find_spec("faster_whisper") is not None,
        help="allow the memory that the bundled engine needs (default: where it is installed)",
    )
    return parser
