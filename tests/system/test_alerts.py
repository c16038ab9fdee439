"""The alerts in config/prometheus: promtool tries them, and each has its runbook."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.write_prometheus_rule import MANIFEST, render
from tests.support.documents import METRICS, RUNBOOKS
from tests.support.monitoring import CONFIG, RULES, RULES_TESTS, alerts, faster_rules, recorded
from tests.support.paths import ROOT
from tests.support.process import free_port, until_it_listens
from tests.support.prometheus import MISSING
from tests.support.promql import metrics

RANGE = re.compile(r"\[(\w+)\]")

needs_prometheus = pytest.mark.skipif(bool(MISSING), reason=MISSING)


# --- by promtool


@needs_prometheus
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("what", "file"),
    [("check config", CONFIG), ("check rules", RULES), *(("test rules", f) for f in RULES_TESTS)],
    ids=lambda value: getattr(value, "name", value),
)
def test_promtool_finds_no_fault(what: str, file: Path) -> None:
    run = subprocess.run(
        ["promtool", *what.split(), str(file)], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


@needs_prometheus
def test_the_check_that_is_documented_finds_no_fault() -> None:
    line = METRICS.command("promtool check")
    subprocess.run(line, shell=True, cwd=ROOT, check=True, capture_output=True)


def test_the_tests_that_are_documented_are_these() -> None:
    line = METRICS.command("promtool test")
    assert [str(ROOT / word) for word in line.split()[3:]] == [str(file) for file in RULES_TESTS]


@needs_prometheus
async def test_prometheus_runs_as_it_is_documented() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    line = METRICS.command("prometheus --config.file")
    process = await asyncio.create_subprocess_shell(
        f"exec {line} --web.listen-address={url.removeprefix('http://')}",
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until_it_listens(int(url.rpartition(":")[2]))
    finally:
        process.terminate()
    assert await process.wait() == 0


def test_every_alert_is_tried_firing_and_quiet() -> None:
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for file in RULES_TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]

    wanted = {(alert["alert"], fires) for alert in alerts() for fires in (True, False)}
    assert set(cases) == wanted


def test_the_operators_manifest_has_the_same_rules() -> None:
    assert MANIFEST.read_text() == render(), "run: make config"
    assert yaml.safe_load(render())["spec"] == yaml.safe_load(RULES.read_text())


# --- what they say


def test_every_alert_says_how_bad_what_and_where_to_look() -> None:
    for alert in alerts():
        name, notes = alert["alert"], alert["annotations"]
        assert name.startswith("SpeechGateway"), name
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        assert notes["summary"].endswith("."), name
        assert "look" in notes["description"].lower() or "compare" in notes["description"].lower()


def test_every_alert_outlasts_a_scrape_that_fails() -> None:
    for alert in alerts():
        assert "for" in alert or RANGE.search(alert["expr"]), alert["alert"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    base = '{{ or $externalLabels.runbooks "docs/runbooks.rst" }}#'
    anchors = {alert["annotations"]["runbook_url"].removeprefix(base) for alert in alerts()}

    assert anchors == {alert["alert"].lower() for alert in alerts()}
    told = [name for name in RUNBOOKS.anchors() if name.startswith("speechgateway")]
    assert sorted(told) == sorted(anchors)


def test_the_runbooks_tell_the_thresholds_that_there_are() -> None:
    told = {
        round(float(share) / 100, 4)
        for *_, requests, first_byte, _ in RUNBOOKS.table("Severity")
        for share in re.findall(r"([\d.]+) %", f"{requests} {first_byte}")
    }

    burning = [alert["expr"] for alert in alerts() if "BudgetBurn" in alert["alert"]]
    assert {float(n) for expr in burning for n in re.findall(r"> (0\.\d+)", expr)} == told


# --- how they judge


def test_burn_alerts_look_at_the_windows_that_they_name() -> None:
    for alert in alerts():
        if "BudgetBurn" not in alert["alert"]:
            continue
        labels = alert["labels"]
        records = [name for name in metrics(alert["expr"]) if name in recorded()]
        assert {name.rpartition("_rate")[2] for name in records} == {
            labels["long"],
            labels["short"],
        }
        assert set(RANGE.findall(alert["expr"])) <= {labels["long"], "10m"}


def test_each_ratio_is_recorded_over_the_window_that_it_is_named_after() -> None:
    for rule in yaml.safe_load(RULES.read_text())["groups"]:
        for record in (rule for rule in rule["rules"] if "ratio_rate" in rule.get("record", "")):
            window = record["record"].rpartition("_rate")[2]
            assert set(RANGE.findall(record["expr"])) == {window}, record["record"]


def test_what_is_recorded_is_judged() -> None:
    assert recorded() <= {name for alert in alerts() for name in metrics(alert["expr"])}


def test_faster_rules_differ_in_their_times_only(tmp_path: Path) -> None:
    def timeless(text: str) -> str:
        return re.sub(r"\b\d+(s|m|h|d|ms)\b", "", str(yaml.safe_load(text)))

    assert timeless(faster_rules(tmp_path, 60).read_text()) == timeless(RULES.read_text())
