"""What config/ has for Prometheus and Grafana, as tests read it."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .paths import ROOT

CONFIG = ROOT / "config" / "prometheus" / "prometheus.yml"
RULES = CONFIG.with_name("rules.yml")
RULES_TESTS = (CONFIG.with_name("rules_test.yml"), CONFIG.with_name("rules_hours_test.yml"))
DASHBOARD = ROOT / "config" / "grafana" / "speech-gateway.json"

_DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")
_MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SHORTEST_RANGE = 2000
"""Milliseconds; in less a rate would find no two scrapes."""


def rules(path: Path = RULES) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def scraping(folder: Path, interval: str, rules: Path = RULES, **targets: list[str]) -> Path:
    """Write the shipped configuration with another interval, rules and targets, by job."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = dict.fromkeys(config["global"], interval)
    assert config["rule_files"] == [RULES.name]
    config["rule_files"] = [str(rules)]
    for job in config["scrape_configs"]:
        (static,) = job["static_configs"]
        static["targets"] = targets[job["job_name"].replace("-", "_")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def faster_rules(folder: Path, factor: int) -> Path:
    """Write the shipped rules with their times shorter by a factor, and nothing else changed."""
    loaded = yaml.safe_load(RULES.read_text())
    for group in loaded["groups"]:
        if "interval" in group:
            group["interval"] = _shorter(group["interval"], factor)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _shorter(rule["for"], factor)
            rule["expr"] = _DURATION.sub(
                lambda found: _shorter(found[0], factor, SHORTEST_RANGE), rule["expr"]
            )
    path = folder / RULES.name
    path.write_text(yaml.safe_dump(loaded, sort_keys=False))
    return path


def eager_rules(folder: Path) -> Path:
    """Write the shipped rules so that each is worked out at once, and none looks back an hour."""
    text = re.sub(r"^    interval: \w+\n", "", RULES.read_text(), flags=re.MULTILINE)
    path = folder / RULES.name
    path.write_text(text.replace("offset 1h", "offset 1s"))
    return path


def _shorter(duration: str, factor: int, least: int = 1) -> str:
    milliseconds = int(duration[:-1]) * _MILLISECONDS[duration[-1]]
    return f"{max(milliseconds // factor, least)}ms"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), f"a key comes twice: {pairs}"
    return dict(pairs)


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(), object_pairs_hook=_once)
    return loaded


def places() -> list[dict[str, Any]]:
    """Return everything on the dashboard, rows too."""
    listed: list[dict[str, Any]] = dashboard()["panels"]
    return listed


def panels() -> list[dict[str, Any]]:
    return [panel for panel in places() if panel["type"] != "row"]


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every query of the dashboard and the title of its panel."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target


def fingerprint() -> str:
    """Return what tells the dashboard's panels and queries from any others."""
    asked = [[title, target["expr"]] for title, target in targets()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard()["templating"]["list"]}


def filled(expr: str, values: dict[str, str]) -> str:
    """Return expr with each variable's value, as Grafana sends it; an unknown one is an error."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], expr)
