"""Fixtures: a loop like the program's, a scripted backend, a gateway before it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import pytest
import uvloop
from hypothesis import settings

from speech_gateway.upstream.backend_monitor import BackendMonitor
from tests.support.backend import ScriptedBackend, scripted_backend
from tests.support.engine import StandaloneEngine
from tests.support.gateway import Served, serving

# How long an example takes is the machine's affair, and what else that has to do.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

NO_SKIPS = bool(os.environ.get("SPEECH_GATEWAY_NO_SKIPS"))
"""Whether a skipped test is a failed one: where everything is installed, as under CI."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):  # what is expected to fail is reported as skipped, too
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIPS and report.skipped:
        assert isinstance(report.longrepr, tuple)
        path, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason}; no test may be skipped here"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the program's loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def engine() -> Iterator[StandaloneEngine]:
    """The bundled engine as a process of its own."""
    with StandaloneEngine.started() as started:
        yield started


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as scripted:
        yield scripted


@pytest.fixture
async def gateway(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url) as served:
        yield served


@pytest.fixture(autouse=True)
def no_exporting_threads() -> Iterator[None]:
    """Wait for the threads that export spans, which draw random numbers where hypothesis does."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(("OtelBatch", "close-tracing")):
            thread.join(30)


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gateways look at their backends only when somebody asks."""
    monkeypatch.setattr(BackendMonitor, "start", lambda _: None)
