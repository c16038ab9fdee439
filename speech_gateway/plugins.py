"""Finds an operator's plugins: ``package.module:factory``."""

import importlib
import inspect

from .middlewares import Plugin


class PluginError(ValueError):
    """A plugin that cannot take its place; the message says why."""


def load(reference: str) -> Plugin:
    """Import the factory that reference names, and return what it makes.

    Raises:
        PluginError: it cannot be imported or called, or what it makes has no ``async def setup``.
    """
    module_name, _, factory_name = reference.partition(":")
    if not module_name or not factory_name:
        raise PluginError(f"'{reference}' is not of the form package.module:factory")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except AttributeError:
        raise PluginError(f"'{reference}': {module_name} has no {factory_name}") from None
    except Exception as error:
        raise PluginError(f"'{reference}' cannot be imported: {_brief(error)}") from error
    try:
        plugin: Plugin = factory()
    except Exception as error:
        raise PluginError(f"'{reference}' cannot be made: {_brief(error)}") from error
    if not inspect.iscoroutinefunction(getattr(plugin, "setup", None)):
        raise PluginError(f"'{reference}' makes an object without 'async def setup(app)'")
    return plugin


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
