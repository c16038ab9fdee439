"""The dashboard's picture: ``python -m tests.dashboard``, or ``make dashboard-pictures``.

Two gateways behind HAProxy are under a scripted load, and a Prometheus scrapes them; after a while
the backend is killed, and comes back. Then each panel is drawn from its own queries. It takes two
minutes, and no Grafana.
"""

import argparse
import asyncio
import math
import re
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support import haproxy, prometheus
from tests.support.monitoring import dashboard, faster_rules, filled, fingerprint, places
from tests.support.paths import DOCS
from tests.support.prometheus import Prometheus
from tests.support.watched import watched

from .drawing import Drawn, Line, Points, draw
from .traffic import Backend, crowd

BEFORE, GONE, AFTER = 45, 15, 30
"""Seconds of load: with a backend, without, and with it again."""
STEP = 0.5
FASTER = 60
VARIABLES = {"job": "speech-gateway", "instance": ".+", "__rate_interval": "4s"}
CAPTION = """\
Drawn by "make dashboard-pictures" from the queries of config/grafana/speech-gateway.json;
no screenshot of Grafana. 90 s of scripted load on two gateways behind HAProxy; the backend is gone
from 45 s to 60 s. The rules' times are shorter by 60: 1h is a minute.
Blue: a version begins to run. Red: a critical alert begins to fire."""


async def series(prometheus: Prometheus, expr: str, begin: float, end: float) -> list[Any]:
    data = await prometheus.get(
        "/api/v1/query_range",
        query=filled(expr, VARIABLES),
        start=str(begin),
        end=str(end),
        step=str(STEP),
    )
    result: list[Any] = data["result"]
    return result


def points(values: list[tuple[float, str]], begin: float, count: int) -> Points:
    """Return a value for each step, and no number where there is none."""
    there = {round((at - begin) / STEP): float(value) for at, value in values}
    return [n * STEP for n in range(count)], [there.get(n, math.nan) for n in range(count)]


def name_of(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


async def drawn(prometheus: Prometheus, panel: dict[str, Any], begin: float, end: float) -> Drawn:
    """Return a panel with the data of its queries."""
    result = Drawn(panel)
    count = int((end - begin) / STEP) + 1
    for target in panel.get("targets", ()):
        for one in await series(prometheus, target["expr"], begin, end):
            name = name_of(target["legendFormat"], one["metric"])
            result.lines.append(Line(name, points(one["values"], begin, count)))
    return result


async def marks(prometheus: Prometheus, begin: float, end: float) -> list[tuple[float, str]]:
    """Return when each annotation of the dashboard begins, and its color."""
    found = []
    for mark in dashboard()["annotations"]["list"]:
        for one in await series(prometheus, mark["expr"], begin, end):
            times = [-math.inf, *(at - begin for at, _ in one["values"])]
            found += [(b, mark["iconColor"]) for a, b in pairwise(times) if b - a > 2 * STEP]
    return found


async def main(path: Path) -> None:
    """Make the load, and draw."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = faster_rules(folder, FASTER)
        flags = ("--openai", "--max-concurrency=4")
        async with watched(folder, *flags, rules=rules, script=Backend()) as site:
            await site.scraped()
            begin = time.time()
            async with crowd(site.proxy):
                await asyncio.sleep(BEFORE)
                await site.backend.kill()
                await asyncio.sleep(GONE)
                await site.backend.start()
                await asyncio.sleep(AFTER)
            end = time.time()
            panels = [await drawn(site.prometheus, panel, begin, end) for panel in places()]
            draw(panels, await marks(site.prometheus, begin, end), CAPTION, fingerprint(), path)
    sys.stdout.write(f"{path}: {path.stat().st_size >> 10} KiB\n")


if __name__ == "__main__":
    if missing := haproxy.MISSING or prometheus.MISSING:
        sys.exit(f"The picture is of a running site: this {missing}.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path, default=DOCS / "dashboard.png")
    asyncio.run(main(parser.parse_args().path))
