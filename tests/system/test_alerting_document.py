"""docs/alerting.rst can be followed to an alert that fires and clears, only faster."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.documents import ALERTING
from tests.support.monitoring import RULES_TESTS, alerts, faster_rules, scraping
from tests.support.paths import ROOT
from tests.support.polling import until
from tests.support.process import free_port, until_it_listens
from tests.support.program import Program, program
from tests.support.prometheus import MISSING
from tests.support.shell import Shell

FASTER = 60
INTERVAL = "500ms"
FIRES_WITHIN = CLEARS_WITHIN = 60.0


@asynccontextmanager
async def started(shell: Shell, text: str, port: int) -> AsyncIterator[Program]:
    """Run a command of our own as it stands, until the block ends."""
    _, _, module, *flags = shlex.split(shell.line(text))
    async with program(*flags, module=module) as running:
        await until_it_listens(port)
        yield running


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.timeout(420)
async def test_an_alert_fires_and_clears_as_it_says(tmp_path: Path) -> None:
    backend, gateway, own = free_port(), free_port(), free_port()
    config = scraping(
        tmp_path,
        INTERVAL,
        faster_rules(tmp_path, FASTER),
        speech_gateway=[f"localhost:{gateway}"],
        haproxy=[],
    )
    words = {
        ".venv/bin/speech-gateway": f"{sys.executable} -m speech_gateway",
        ".venv/bin/python": sys.executable,
        "127.0.0.1:4545": f"127.0.0.1:{backend}",
        ":8080": f":{gateway}",
        "localhost:9091": f"127.0.0.1:{own}",
        "config/prometheus/prometheus.yml": str(config),
    }
    shell = Shell(tmp_path, words)
    engine = ALERTING.command("speech_gateway.embedded")

    async def firing() -> bool:
        told = await shell.told(ALERTING.command('"ALERTS"'))
        return 'ALERTS{alertname="SpeechGatewayBackendDown", alertstate="firing"' in told

    async def scraped() -> bool:
        return "=> 1" in await shell.told(ALERTING.command(" up"))

    async with AsyncExitStack() as stack:
        broken = await stack.enter_async_context(started(shell, engine, backend))
        await stack.enter_async_context(started(shell, ALERTING.command("--skit-url"), gateway))
        await stack.enter_async_context(running(shell, own))

        assert await shell.told(ALERTING.command("hello.ogg")) == "200\n"
        await until(scraped, FIRES_WITHIN)
        await until(lambda: shell.told(ALERTING.command("'ALERTS'")), CLEARS_WITHIN, equals="\n")

        broken.signal()
        await broken.ended()
        await until(firing, FIRES_WITHIN)
        told = await shell.told(ALERTING.command("api/v1/alerts"))
        assert '"runbook_url": "docs/runbooks.rst#speechgatewaybackenddown"' in told
        problem = ALERTING.command("gateway_backend_problem")
        await until(lambda: shell.told(problem), 30, holds=lambda t: 'reason="unreachable"' in t)
        assert "not ready" in await shell.told(ALERTING.command("/readyz"))

        await stack.enter_async_context(started(shell, engine, backend))
        await until(firing, CLEARS_WITHIN, equals=False)
        await until(
            lambda: shell.told(ALERTING.command("hello.ogg")), CLEARS_WITHIN, equals="200\n"
        )


@asynccontextmanager
async def running(shell: Shell, port: int) -> AsyncIterator[None]:
    """Run Prometheus as it says, until the block ends."""
    line = shell.line(ALERTING.command("prometheus --config"))
    process = await asyncio.create_subprocess_shell(
        f"exec {line} 2>prometheus.log", cwd=shell.folder, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await until_it_listens(port)
        yield
    finally:
        process.terminate()
        await process.wait()


def test_every_alert_of_the_table_is_there() -> None:
    fires = " ".join(what for _, what in ALERTING.table("What happens"))
    named = {word.strip(";,.") for word in fires.split() if word.startswith("SpeechGateway")}

    assert named
    assert named <= {alert["alert"] for alert in alerts()}


def test_the_files_of_tests_that_it_names_are_those_that_there_are() -> None:
    assert {str(file.relative_to(ROOT)).rpartition("/")[2] for file in RULES_TESTS} <= {
        name.rpartition("/")[2] for name in ALERTING.names()
    }


def test_the_alertmanagers_part_names_alerts_that_there_are() -> None:
    (block,) = [block for block in ALERTING.blocks() if "inhibit_rules" in block]
    (rule,) = yaml.safe_load(block)["inhibit_rules"]

    (source,) = rule["source_matchers"]
    assert source.rpartition(" ")[2] in {alert["alert"] for alert in alerts()}
