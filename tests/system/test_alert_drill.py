"""The drill of alerts on the running thing: the shipped rules, with shorter times, see it all.

Prometheus scrapes two gateways and the HAProxy before them, whose backend is killed and comes back.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.support import haproxy, prometheus
from tests.support.documents import RUNBOOKS
from tests.support.monitoring import faster_rules
from tests.support.polling import until
from tests.support.shell import Shell
from tests.support.watched import Watched, watched

FASTER = 60
"""An hour of the rules is a minute here."""
FIRES_WITHIN = 60.0
"""Seconds, of which the gateways' probes take up to five at their real pace."""
CLEARS_WITHIN = 60.0
"""Seconds; the slowest looks at ten minutes, which are ten seconds here."""
PAUSE = 0.05

needs_all = pytest.mark.skipif(
    bool(haproxy.MISSING or prometheus.MISSING), reason=haproxy.MISSING or prometheus.MISSING
)


async def until_fires(site: Watched, *names: str) -> None:
    await until(lambda: site.firing(severity="critical"), FIRES_WITHIN, holds=set(names).issubset)


async def until_clear(site: Watched) -> None:
    await until(lambda: site.firing(severity="critical"), CLEARS_WITHIN, equals=set())


async def the_runbooks_commands_tell(site: Watched, folder: Path) -> None:
    """See what each of them is for, while there is something to be seen."""
    words = {
        "http://localhost:9090": site.prometheus.url,
        "localhost:8080": site.gateways[0],
        "localhost:8404": f"127.0.0.1:{site.proxy.stats_port}",
    }
    shell = Shell(folder, words)

    async def tells(part: str, expected: str) -> bool:
        return expected in await shell.told(RUNBOOKS.command(part))

    for part, expected in (
        ("alertstate=", "SpeechGatewayBackendDown"),
        ("/readyz", "not ready"),
        ("gateway_backend_problem", 'reason="unreachable"'),
        ('code=~"5.."', 'endpoint="tts"'),
        (";csv", "speech,one,DOWN"),
    ):
        # a scrape may fail on a busy machine, and then there is nothing until the next
        await until(partial(tells, part, expected), FIRES_WITHIN)


@needs_all
@pytest.mark.timeout(420)
async def test_a_killed_backend_alerts_and_clears_soon_after_it_is_back(tmp_path: Path) -> None:
    async with watched(tmp_path, rules=faster_rules(tmp_path, FASTER)) as site:
        await site.scraped()
        async with site.load(PAUSE):
            await until(site.speak, CLEARS_WITHIN, equals=200)
            await until_clear(site)

            await site.backend.kill()
            await until_fires(
                site,
                "SpeechGatewayBackendDown",
                "SpeechGatewayProxyNoGateway",
                "SpeechGatewayProxyErrorBudgetBurn",
            )
            assert await site.speak() == 503
            await the_runbooks_commands_tell(site, tmp_path)

            await site.backend.start()
            await until(site.speak, CLEARS_WITHIN, equals=200)
            await until_clear(site)


@needs_all
@pytest.mark.timeout(420)
async def test_a_dead_backend_alerts_although_nobody_calls(tmp_path: Path) -> None:
    async with watched(tmp_path, rules=faster_rules(tmp_path, FASTER)) as site:
        await site.scraped()

        await site.backend.kill()
        await until_fires(site, "SpeechGatewayBackendDown", "SpeechGatewayProxyNoGateway")
        assert "SpeechGatewayErrorBudgetBurn" not in await site.firing()

        await site.backend.start()
        await until_clear(site)
