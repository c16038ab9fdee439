"""What config/ gives to operators is true: the dashboard, and what the rules have to judge.

Prometheus itself scrapes gateways under a mixed traffic and is asked every expression there is. An
alert that does not fire gives nothing; so its parts are asked for without the comparison to a
number that ends each (``promql.alert_parts`` refuses any other shape), alone and joined again.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from speech_gateway import __version__
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    answer,
    chunk,
    scripted_backend,
)
from tests.support.client import connect
from tests.support.documents import METRICS
from tests.support.gateway import Served
from tests.support.haproxy import MISSING as NO_HAPROXY
from tests.support.haproxy import Haproxy, haproxy
from tests.support.monitoring import (
    CONFIG,
    DASHBOARD,
    RULES,
    alerts,
    dashboard,
    eager_rules,
    filled,
    fingerprint,
    panels,
    places,
    recorded,
    rules,
    scraping,
    targets,
    variables,
)
from tests.support.paths import DOCS, ROOT
from tests.support.program import serving_program
from tests.support.prometheus import LOOK_INTERVAL, MISSING, Prometheus, running_prometheus, until
from tests.support.promql import alert_parts, metrics

NOT_OURS = re.compile("up|ALERTS|haproxy_\\w+")
"""What Prometheus itself adds to what it scrapes, and what HAProxy tells."""
OF_ALL_GATEWAYS = re.compile("job_endpoint:|job_proxy:|haproxy_")
"""Metrics that no instance of a gateway has, and none can be chosen of."""
PICTURE = DOCS / "dashboard.png"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SCRAPE_INTERVAL = "250ms"
SLOTS = 2
WAITING = {"tts": 2, "stt": 1}
LOOK_TIMEOUT = 20.0
GAP_TIMEOUT = 5.0

needs_prometheus = pytest.mark.skipif(bool(MISSING), reason=MISSING)
needs_haproxy = pytest.mark.skipif(bool(NO_HAPROXY), reason=NO_HAPROXY)


def variable_query(name: str) -> tuple[str, str]:
    """Return the series whose labels a variable lists, and the label."""
    query = variables()[name]["query"]["query"]
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    return found[1], found[2]


# --- reading PromQL


def test_metrics_are_told_from_all_else() -> None:
    expr = (
        'histogram_quantile(0.95, sum by (le, job) (rate(a_bucket{b="c{d} or e", f=~"$g"}[5m])))'
        " / ignoring (h) group_left () (i:j:rate5m > 1e3) and on (k) l offset 5m"
    )
    assert metrics(expr) == {"a_bucket", "i:j:rate5m", "l"}


def test_an_alert_is_taken_apart_at_its_thresholds() -> None:
    expr = 'sum without (c) (a{d="x > 1 and y"} > 0) / b > 0.1\nand\nincrease(e[10m]) >= 20\n'
    assert alert_parts(expr) == [
        'sum without (c) (a{d="x > 1 and y"} > 0) / b',
        "increase(e[10m])",
    ]


@pytest.mark.parametrize(
    "expr",
    ["a", "a > b", "a > 1 or b > 1", "a > 1 unless b > 1", "a > 1 > 2", "a > 1 and b", "(a > 1"],
)
def test_an_alert_of_another_shape_is_refused(expr: str) -> None:
    with pytest.raises(AssertionError):
        alert_parts(expr)


# --- the dashboard's structure


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in places()]
    assert len(set(ids)) == len(ids)

    grid = [(panel["title"], panel["gridPos"]) for panel in places()]
    for title, place in grid:
        assert place["x"] >= 0, title
        assert place["y"] >= 0, title
        assert min(place["w"], place["h"]) > 0, title
        assert place["x"] + place["w"] <= COLUMNS, title
    for (one, a), (other, b) in combinations(grid, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} overlaps {other}"


def test_every_panel_asks_the_chosen_datasource_and_explains_itself() -> None:
    assert variables()["datasource"]["type"] == "datasource"
    for panel in panels():
        title = panel["title"]
        assert panel["datasource"] == DATASOURCE, title
        assert panel["description"].strip(), title
        defaults = panel["fieldConfig"]["defaults"]
        assert "unit" in defaults or "mappings" in defaults, title
        assert panel["targets"], title
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), title
    for title, target in targets():
        assert target["datasource"] == DATASOURCE, title
        assert target["expr"].strip(), title
        assert target["legendFormat"].strip(), title
        of_all = any(OF_ALL_GATEWAYS.match(name) for name in metrics(target["expr"]))
        chosen = r'job="$job"', r'proxy="speech"'
        assert any(part in target["expr"] for part in chosen), title
        assert of_all or 'instance=~"$instance"' in target["expr"], title
    for name in ("job", "instance"):
        assert variables()[name]["datasource"] == DATASOURCE
    assert variables()["instance"]["multi"]
    assert variables()["instance"]["includeAll"]


def test_every_panel_stands_below_a_row() -> None:
    first, *_ = sorted(places(), key=lambda place: place["gridPos"]["y"])
    assert first["type"] == "row"
    assert all(row["panels"] == [] for row in places() if row["type"] == "row")


def test_every_link_leads_to_an_alerts_runbook() -> None:
    base = variables()["runbooks"]["query"]
    known = {f"${{runbooks}}#{alert['alert'].lower()}" for alert in alerts()}
    linked = {link["url"] for panel in panels() for link in panel.get("links", [])}

    assert (ROOT / base).is_file()
    assert linked <= known
    assert len(linked) > 5
    assert [link["url"] for link in dashboard()["links"]] == ["${runbooks}"]


def test_the_lines_of_the_objectives_are_those_of_the_alerts() -> None:
    for title, alert in (
        ("Requests failed, against the objective", "SpeechGatewayErrorBudgetBurn"),
        ("Speech begun late, against the objective", "SpeechGatewayFirstByteBudgetBurn"),
        ("HAProxy's errors, against the objective", "SpeechGatewayProxyErrorBudgetBurn"),
    ):
        (panel,) = [panel for panel in panels() if panel["title"] == title]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        burning = [rule["expr"] for rule in alerts() if rule["alert"] == alert]
        judged = {float(n) for expr in burning for n in re.findall(r"> (0\.\d+)", expr)}
        assert {step["value"] for step in steps[1:]} <= judged, title


def test_every_kind_of_record_is_shown() -> None:
    def kind(name: str) -> str:
        return name.rpartition("_rate")[0] or name

    shown = {kind(name) for _, target in targets() for name in metrics(target["expr"])}
    assert {kind(name) for name in recorded()} <= shown


def test_the_picture_is_of_the_queries_that_there_are() -> None:
    assert PICTURE.stat().st_size < 300_000
    assert fingerprint().encode() in PICTURE.read_bytes(), "make dashboard-pictures"


def test_tts_and_stt_stand_beside_each_other_and_are_alike() -> None:
    pairs: dict[str, dict[str, dict[str, Any]]] = {}
    for panel in panels():
        endpoint, colon, topic = panel["title"].partition(": ")
        if colon:
            pairs.setdefault(topic, {})[endpoint] = panel

    assert pairs
    for topic, pair in pairs.items():
        assert set(pair) == {"tts", "stt"}, topic
        tts, stt = pair["tts"], pair["stt"]
        assert stt["gridPos"] == {**tts["gridPos"], "x": tts["gridPos"]["w"]}, topic
        for what in ("type", "targets", "fieldConfig", "options"):
            assert json.dumps(stt[what]) == json.dumps(tts[what]).replace("tts", "stt"), topic


def test_the_dashboard_is_tidy() -> None:
    text = DASHBOARD.read_text()
    assert text.endswith("}\n")
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip(" "))
        assert indent % 2 == 0, number
        assert line == line.rstrip(), number
        assert "\t" not in line, number
    assert dashboard()["id"] is None, "an id is the Grafana's it was taken from"


def test_the_panel_that_the_older_dashboard_had_is_there() -> None:
    (panel,) = [panel for panel in panels() if panel["title"] == "Status Mix"]
    (target,) = panel["targets"]

    assert target["legendFormat"] == "{{code}}"
    assert metrics(target["expr"]) == {"gateway_requests_total"}


async def test_every_metric_named_is_one_that_the_gateway_has(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.request("GET", "/metrics")
        page = (await client.response()).text
    there = {
        re.split(r"[{ ]", line)[0]
        for line in page.splitlines()
        if line and not line.startswith("#")
    }
    asked = [(title, target["expr"]) for title, target in targets()]
    asked += [(name, variable_query(name)[0]) for name in ("job", "instance")]
    asked += [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    asked += [(mark["name"], mark["expr"]) for mark in dashboard()["annotations"]["list"]]

    for where, expr in asked:
        assert metrics(expr), where
        unknown = metrics(expr) - there - recorded()
        assert [name for name in unknown if not NOT_OURS.fullmatch(name)] == [], where


# --- under traffic, by Prometheus


LINE = b'{"Transcription":{"text":"good morning","segments":[],"language":"en"}}\n'
TOO_MUCH = {"Content-Length": "1048577"}
"""Refused by its head; no body follows."""


@dataclass
class Traffic:
    """Clients of some gateways, and the counts they lead to."""

    ports: list[int]
    held: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released for each request that has a slot and keeps it."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    finished: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """How many requests have ended, by gateway, endpoint and code."""

    async def script(self, call: BackendCall) -> None:
        """Do what the media's last word says."""
        media = await call.whole_media()
        speaks = call.headers["x-streamkit-service"] == "tts"
        head = OK_CHUNKED if speaks else OK_CHUNKED.replace(b"audio/ogg", b"application/json")
        piece = chunk(b"OggS-speech" if speaks else LINE)
        match media.split()[-1]:
            case b"fail":
                return
            case b"silence":
                await call.until_closed()
            case b"endless":
                await call.write(head + piece)
                await call.until_closed()
            case b"broken":
                await call.write(answer(b"no!\n", "500 Internal Server Error", "text/plain"))
            case b"held":
                self.held.release()
                await call.write(head + piece)
                while not self.release.is_set():
                    await asyncio.sleep(0.1)  # silence would be a failure
                    await call.write(piece)
                await call.write(LAST_CHUNK)
            case _:
                await call.write(head + piece + LAST_CHUNK)

    async def _ends(
        self,
        port: int,
        endpoint: str,
        word: str,
        code: int,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> None:
        body = None if headers == TOO_MUCH else f"OggS says {word}".encode()
        async with await connect(port) as client:
            client.request(method, f"/{endpoint}", headers, body)
            if code == 499:
                await client.head()
                await client.piece()
            else:
                assert (await client.response()).status == code, f"{endpoint} {word}"
        key = f"127.0.0.1:{port}", endpoint, str(code)
        self.finished[key] = self.finished.get(key, 0) + 1

    async def mixed(self) -> None:
        """Send to each gateway what is served, what is refused, what fails, and who leaves."""
        for endpoint in ("tts", "stt"):
            for port in self.ports:
                for method in ("POST", "POST", "PUT"):
                    await self._ends(port, endpoint, "hello", 200, method=method)
                await self._ends(port, endpoint, "much", 413, headers=TOO_MUCH)
                await self._ends(
                    port, endpoint, "cheese", 415, headers={"Content-Type": "image/png"}
                )
                await self._ends(port, endpoint, "x", 405, method="DELETE")
                await self._ends(port, endpoint, "fail", 502)
                await self._ends(port, endpoint, "broken", 500)
                await self._ends(port, endpoint, "endless", 499)
            await asyncio.gather(
                *(self._ends(port, endpoint, "silence", 504) for port in self.ports)
            )

    async def through(self, proxy: Haproxy) -> None:
        """Have the first gateway serve a client of HAProxy's."""
        async with await proxy.connect() as client:
            assert (await client.speak()).status == 200
        key = f"127.0.0.1:{self.ports[0]}", "tts", "200"
        self.finished[key] = self.finished.get(key, 0) + 1

    async def crowd(self) -> None:
        """Fill each gateway's slots, and have more wait, until release is set."""
        async with asyncio.TaskGroup() as group:
            for port in self.ports:
                for _ in range(SLOTS):
                    group.create_task(self._ends(port, "tts", "held", 200))
            for _ in range(SLOTS * len(self.ports)):
                await self.held.acquire()
            for port in self.ports:
                for endpoint, number in WAITING.items():
                    for _ in range(number):
                        group.create_task(self._ends(port, endpoint, "held", 200))


@dataclass
class Site:
    """Gateways, the Prometheus that scrapes them, and their addresses."""

    prometheus: Prometheus
    gateways: list[str]
    rules: Path

    def fillings(self) -> list[dict[str, str]]:
        """Return what Grafana would put for the variables: all gateways, one, and some."""
        # Of a variable of many values Grafana escapes each, for a regular expression in a string.
        escaped = [re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", name) for name in self.gateways]
        scrape = yaml.safe_load(CONFIG.read_text())["global"]["scrape_interval"]
        seconds = int(scrape.removesuffix("s"))
        # max($__interval + scrape interval, 4 * scrape interval); for an hour $__interval is short.
        always = {"job": "speech-gateway", "__rate_interval": f"{4 * seconds}s"}
        chosen = [variables()["instance"]["allValue"], escaped[0], f"({'|'.join(escaped)})"]
        return [{**always, "instance": instance} for instance in chosen]

    async def fault(self, expr: str) -> str:
        """Return what stays wrong with expr's data; nothing when it is right.

        On a busy machine a scrape may fail, and until the next one there is nothing.
        """
        deadline = asyncio.get_running_loop().time() + GAP_TIMEOUT
        while wrong := await self._fault_now(expr):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(LOOK_INTERVAL)  # only asking tells
        return wrong

    async def _fault_now(self, expr: str) -> str:
        samples = await self.prometheus.query(expr)
        if not samples:
            return "no data"
        if not all(sample.sound for sample in samples):
            return "not a number"
        if any(sample.value < -1e-9 for sample in samples) and "deriv" not in expr:
            return "less than nothing"
        return ""


async def check_the_crowd(site: Site) -> None:
    """See requests wait, by a scrape, and every slot taken and no more."""

    async def seen() -> bool:
        queues = await site.prometheus.query("gateway_waiting_requests")
        shares = await site.prometheus.query("instance:gateway_slots_taken:ratio")
        return sorted(s.value for s in queues) == sorted(
            [*WAITING.values()] * len(site.gateways)
        ) and [s.value for s in shares] == [1.0] * len(site.gateways)

    await until(seen, LOOK_TIMEOUT)

    async def in_flight() -> list[float]:
        expr = "sum by (instance) (gateway_inflight_requests - gateway_waiting_requests)"
        return [sample.value for sample in await site.prometheus.query(expr)]

    await until(in_flight, LOOK_TIMEOUT, equals=[SLOTS] * len(site.gateways))


async def check_the_numbers(site: Site, traffic: Traffic) -> None:
    """See what was sent in what is shown, and in the shares that alerts judge."""

    async def counted() -> bool:
        samples = await site.prometheus.query(
            "sum by (instance, endpoint, code) (gateway_requests_total) > 0"
        )
        counts = {
            (s.labels["instance"], s.labels["endpoint"], s.labels["code"]): s.value for s in samples
        }
        return counts == traffic.finished

    await until(counted, LOOK_TIMEOUT)
    share = "endpoint_code:gateway_requests:ratio_rate10m"

    async def judged() -> bool:
        # A record follows its scrape by an evaluation.
        left = await site.prometheus.query(f'{share}{{code="499"}} > 0')
        return len(left) == 2 * len(site.gateways)

    await until(judged, LOOK_TIMEOUT)
    whole = await site.prometheus.query(f"sum without (code) ({share})")
    assert [s.value for s in whole] == pytest.approx([1.0] * 2 * len(site.gateways))
    taken = await site.prometheus.query("instance:gateway_slots_taken:ratio")
    assert all(0 <= s.value <= 1 for s in taken)
    reasons = await site.prometheus.query("gateway_rejected_total")
    expected = {"too_large": 1, "bad_content_type": 1, "upstream_error": 2}
    assert len(reasons) == len(expected) * 2 * len(site.gateways)
    assert all(s.value == expected[s.labels["reason"]] for s in reasons)


async def check_the_dashboard(site: Site) -> list[str]:
    """Return what is wrong with the data of any query, for any choice of gateways."""
    wrong = []
    for values in site.fillings():
        for title, target in targets():
            expr = filled(target["expr"], values)
            if fault := await site.fault(expr):
                wrong.append(f"{title}: {fault}: {expr}")
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            wrong += [
                f"{title}: the legend wants {lacking}: {expr}"
                for sample in await site.prometheus.query(expr)
                if (lacking := labels - set(sample.labels))
            ]
        wrong += await wrong_variables(site, values)
    (deploys,) = [m for m in dashboard()["annotations"]["list"] if m["name"] == "Deploys"]
    if fault := await site.fault(filled(deploys["expr"], site.fillings()[0])):
        wrong.append(f"Deploys: {fault}")
    return wrong


async def wrong_variables(site: Site, values: dict[str, str]) -> list[str]:
    """Return what the variables offer that they should not, or do not that they should."""
    wrong = []
    for name, expected in (("job", {"speech-gateway"}), ("instance", set(site.gateways))):
        series, label = variable_query(name)
        listed = await site.prometheus.get(
            f"/api/v1/label/{label}/values", **{"match[]": filled(series, values)}
        )
        if set(listed) != expected:
            wrong.append(f"variable {name}: {listed}")
    return wrong


async def check_the_rules(site: Site) -> list[str]:
    """Return what is wrong with the data of any rule, and what Prometheus finds wrong itself."""
    wrong = []
    for rule in rules(site.rules):
        name = rule.get("alert") or rule["record"]
        exprs = [rule["expr"]]
        if rule["expr"].startswith("absent("):  # which has data when nothing else has
            continue
        if "alert" in rule:
            parts = alert_parts(rule["expr"])
            exprs = [*parts, " and ".join(f"({part})" for part in parts)]
        wrong += [f"{name}: {fault}: {expr}" for expr in exprs if (fault := await site.fault(expr))]
        if "record" in rule and (fault := await site.fault(name)):
            wrong.append(f"{name}, recorded: {fault}")
    told = await site.prometheus.get("/api/v1/rules")
    evaluated = [rule for group in told["groups"] for rule in group["rules"]]
    wrong += [f"{rule['name']}: {rule}" for rule in evaluated if rule["health"] != "ok"]
    if len(evaluated) != len(rules(site.rules)):
        wrong.append("Prometheus has not as many rules")
    return wrong


@needs_prometheus
@needs_haproxy
@pytest.mark.timeout(180)
async def test_every_expression_has_data_under_a_mixed_traffic(tmp_path: Path) -> None:
    traffic = Traffic([])
    flags = (f"--max-concurrency={SLOTS}", "--upstream-timeout=1s")
    async with (
        scripted_backend(traffic.script) as backend,
        serving_program("--skit-url", backend.url, *flags) as one,
        serving_program("--skit-url", backend.url, *flags) as other,
        AsyncExitStack() as stack,
    ):
        traffic.ports = [one.port, other.port]
        gateways = [f"127.0.0.1:{port}" for port in traffic.ports]
        proxy = await stack.enter_async_context(haproxy({"one": gateways[0]}))
        rules_file = eager_rules(tmp_path)
        config = scraping(
            tmp_path,
            SCRAPE_INTERVAL,
            rules_file,
            speech_gateway=gateways,
            haproxy=[f"127.0.0.1:{proxy.stats_port}"],
        )
        async with running_prometheus(config, tmp_path) as prometheus:
            site = Site(prometheus, gateways, rules_file)

            async def scraped() -> bool:
                # Twice at least: a rate wants a count from before the traffic.
                samples = await prometheus.query("count_over_time(gateway_slots[1m]) >= 2")
                return len(samples) == len(gateways)

            await until(scraped, LOOK_TIMEOUT)
            await proxy.until("one", "UP")
            await traffic.through(proxy)
            await traffic.mixed()
            crowd = asyncio.create_task(traffic.crowd())
            try:
                await check_the_crowd(site)
            finally:
                traffic.release.set()
                await crowd
            await check_the_numbers(site, traffic)
            wrong = await check_the_dashboard(site) + await check_the_rules(site)
            assert not wrong, "\n".join(wrong)
            line = METRICS.command("promtool query").replace(
                "http://localhost:9090", prometheus.url
            )
            assert await (await asyncio.create_subprocess_shell(line)).wait() == 0


OLDER = "".join(
    f"""
gateway_requests_total{{endpoint="{endpoint}",method="POST",code="201"}} 7
gateway_inflight_requests{{endpoint="{endpoint}"}} 3
gateway_rejected_total{{endpoint="{endpoint}",reason="too_large"}} 1
"""
    for endpoint in ("tts", "stt")
)
"""What the gateway written in Go tells, as far as this dashboard asks; a code that is its own."""


@asynccontextmanager
async def older_gateway() -> AsyncIterator[str]:
    """Serve OLDER; yield the address."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=OLDER)

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


@needs_prometheus
@pytest.mark.timeout(180)
async def test_an_older_gateway_is_shown_beside_ours(tmp_path: Path) -> None:
    async with (
        scripted_backend() as backend,
        serving_program("--skit-url", backend.url) as ours,
        older_gateway() as older,
    ):
        gateways = sorted([f"127.0.0.1:{ours.port}", older])
        config = scraping(tmp_path, SCRAPE_INTERVAL, speech_gateway=gateways, haproxy=[])
        async with running_prometheus(config, tmp_path) as prometheus:
            site = Site(prometheus, gateways, RULES)
            everyone = site.fillings()[0]

            async def scraped() -> bool:
                counts = await prometheus.query("count_over_time(gateway_inflight_requests[1m])")
                return len(counts) == 4 and all(s.value >= 2 for s in counts)

            await until(scraped, LOOK_TIMEOUT)

            assert not await wrong_variables(site, everyone)
            shown = {
                title: {tuple(s.labels.values()): s.value for s in await prometheus.query(expr)}
                for title, target in targets()
                for expr in [filled(target["expr"], everyone)]
                if target["refId"] == "A"
            }
    assert len(shown["Gateways"]) == 2
    assert shown["Version"] == {(__version__,): 1, ("untold",): 1}
    assert ("201",) in shown["Status Mix"]
    assert shown["In flight against slots"] == {("tts",): 3, ("stt",): 3}
