"""Finds an operator's plugins: ``package.module:factory``."""

import importlib
import inspect
from dataclasses import dataclass

from aiohttp import web

from ..errors import StartupError
from ..middlewares import Plugin

_FAULTS = (Exception, SystemExit)
"""What an operator's code may raise; one that calls sys.exit would end the start without a word."""


@dataclass(frozen=True, slots=True)
class NamedPlugin:
    """A plugin, and what the operator calls it by."""

    reference: str
    plugin: Plugin

    async def setup(self, app: web.Application) -> None:
        """Let the plugin take its place.

        Raises:
            StartupError: it cannot.
        """
        try:
            await self.plugin.setup(app)
        except _FAULTS as error:
            raise StartupError(f"'{self.reference}' cannot be set up: {_brief(error)}") from error


def load(reference: str) -> NamedPlugin:
    """Import the factory that reference names, and return what it makes, under that name.

    Raises:
        ValueError: it cannot be imported or called, or what it makes has no ``async def setup``.
    """
    module_name, _, factory_name = reference.partition(":")
    if not module_name or not factory_name:
        raise ValueError(f"'{reference}' is not of the form package.module:factory")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except AttributeError:
        raise ValueError(f"'{reference}': {module_name} has no {factory_name}") from None
    except _FAULTS as error:
        raise ValueError(f"'{reference}' cannot be imported: {_brief(error)}") from error
    try:
        plugin: Plugin = factory()
    except _FAULTS as error:
        raise ValueError(f"'{reference}' cannot be made: {_brief(error)}") from error
    if not inspect.iscoroutinefunction(getattr(plugin, "setup", None)):
        raise ValueError(f"'{reference}' makes an object without 'async def setup(app)'")
    return NamedPlugin(reference, plugin)


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
