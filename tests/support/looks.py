"""Looks at the backend that follow each other quickly, and what a gateway says that they found."""

import pytest

from speech_gateway.upstream import backend_monitor, backend_state, health_check

from .gateway import Served
from .polling import until

LOOK_TIMEOUT = 0.3
"""Seconds: a busy machine answers within them, mostly."""


def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gateways look at their backends every few hundredths of a second."""
    monkeypatch.setattr(backend_monitor, "INTERVAL", 0.05)
    monkeypatch.setattr(backend_monitor, "RETRY_INTERVAL", 0.05)
    monkeypatch.setattr(backend_monitor, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(backend_state, "LOOKS_APART", 0.05)
    monkeypatch.setattr(backend_state, "QUIET", 0.05)
    monkeypatch.setattr(health_check, "HEALTH_TIMEOUT", LOOK_TIMEOUT)


def circuit(gateway: Served) -> float:
    return gateway.sample("gateway_circuit_open")


def ready(gateway: Served) -> float:
    return gateway.sample("gateway_backend_ready")


def problem(gateway: Served, reason: str) -> float:
    return gateway.sample("gateway_backend_problem", reason=reason)


async def until_gone(gateway: Served) -> None:
    await until(lambda: circuit(gateway), equals=1)


async def until_back(gateway: Served) -> None:
    await until(lambda: (circuit(gateway), ready(gateway)), equals=(0, 1))
