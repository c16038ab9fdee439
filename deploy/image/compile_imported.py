"""Compiles those modules of Python's own that the gateway imports; the others stay as they are.

Bytecode of all of them would be a tenth of the slim image. It is marked as valid whatever the time
of its source, which a reproducible image has set to another.
"""

import contextlib
import importlib
import pkgutil
import py_compile
import sys

import speech_gateway

OWN = "/usr/lib/python3"


def import_all() -> None:
    """Import every module of the gateway's, but for those of an extra that is not there."""
    for module in pkgutil.walk_packages(speech_gateway.__path__, "speech_gateway."):
        with contextlib.suppress(ImportError):
            importlib.import_module(module.name)


def compile_own() -> None:
    """Compile what has been imported of Python's own."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for module in list(sys.modules.values()):
        source = getattr(module, "__file__", None) or ""
        if source.startswith(OWN) and source.endswith(".py"):
            py_compile.compile(source, invalidation_mode=unchecked)


if __name__ == "__main__":
    import_all()
    compile_own()
