"""Loads an operator's plugins: ``package.module:factory``, with or without options.

Options follow the reference as a JSON object; in the config file they are a mapping.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..startup_error import StartupError

if TYPE_CHECKING:
    from aiohttp import web

    from ..middlewares import Plugin

_FAULTS = (Exception, SystemExit)
"""What an operator's code may raise; without this, one that calls sys.exit would end the start
silently.
"""
_REFERENCE = re.compile(r"[^,{]*")


@dataclass(frozen=True, slots=True)
class NamedPlugin:
    """A plugin, and the reference that it was loaded by."""

    reference: str
    plugin: "Plugin"

    async def setup(self, app: "web.Application") -> None:
        """Set the plugin up.

        Raises:
            StartupError: it cannot be set up.
        """
        try:
            await self.plugin.setup(app)
        except _FAULTS as error:
            raise StartupError(f"'{self.reference}' cannot be set up: {_brief(error)}") from error


def load_all(text: str) -> list[NamedPlugin]:
    """Return the plugins in text, which are separated by commas; raises as ``load`` does."""
    return [load(reference, options) for reference, options in references(text)]


def load(reference: str, options: Mapping[str, Any] | None = None) -> NamedPlugin:
    """Import the factory that reference names, and return what it makes of options.

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
        plugin: Plugin = factory(**(options or {}))
    except _FAULTS as error:
        raise ValueError(f"'{reference}' cannot be made: {_brief(error)}") from error
    if not inspect.iscoroutinefunction(getattr(plugin, "setup", None)):
        raise ValueError(f"'{reference}' makes an object without 'async def setup(app)'")
    return NamedPlugin(reference, plugin)


def with_options(reference: str, options: Mapping[str, Any]) -> str:
    """Return the text that stands for a plugin with options."""
    return f"{reference} {json.dumps(options)}" if options else reference


def references(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each reference with its options; raises ValueError for what is no JSON object."""
    at = 0
    while at < len(text):
        match = _REFERENCE.match(text, at)
        assert match is not None
        reference, at = match[0].strip(), match.end()
        options: dict[str, Any] = {}
        if text.startswith("{", at):
            try:
                options, at = json.JSONDecoder().raw_decode(text, at)
            except (ValueError, RecursionError):
                raise ValueError(f"'{reference}' has options that are no JSON object") from None
        following = text[at:].lstrip()
        if following and not following.startswith(","):
            raise ValueError(f"'{reference}' is followed by more than a comma and another plugin")
        at = len(text) - len(following) + 1 if following else len(text)
        if reference or options:
            yield reference, options


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
