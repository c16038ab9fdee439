"""Starts Home Assistant, also with a Python some fixes older than the one that it asks for."""

import sys

import homeassistant.const

homeassistant.const.REQUIRED_PYTHON_VER = min(
    homeassistant.const.REQUIRED_PYTHON_VER, sys.version_info[:3]
)

from homeassistant.__main__ import main  # noqa: E402 - takes the version when it is imported

sys.exit(main())
