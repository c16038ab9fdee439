"""What Prometheus makes of the PodMonitor: labels that the rules can do with, and the adapter."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served, serving
from tests.support.kubernetes import COMPONENTS, DEPLOY, Built, Manifest, build
from tests.support.monitoring import eager_rules
from tests.support.prometheus import MISSING, Prometheus, running_prometheus, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]

PODS = ("speech-gateway-5d4f-abcde", "speech-gateway-5d4f-fghij")
QUERY_TIMEOUT = 60.0


def sanitized(label: str) -> str:
    return re.sub(r"\W", "_", label)


def of_the_operator(monitor: Manifest, port: str) -> list[dict[str, Any]]:
    """Return the relabelling that the operator (0.85, promcfg.go) puts before the monitor's own."""
    meta = "__meta_kubernetes_"
    label = f"{meta}pod_label_{sanitized(monitor['spec']['jobLabel'])}"
    return [
        {"source_labels": [f"{meta}namespace"], "target_label": "namespace"},
        {"source_labels": [f"{meta}pod_container_name"], "target_label": "container"},
        {"source_labels": [f"{meta}pod_name"], "target_label": "pod"},
        {"target_label": "job", "replacement": "speech/speech-gateway"},
        {"source_labels": [label], "target_label": "job", "regex": "(.+)", "replacement": "${1}"},
        {"target_label": "endpoint", "replacement": port},
    ]


def snake_case(relabelling: Manifest) -> dict[str, Any]:
    """Return a relabelling as Prometheus writes it, not Kubernetes."""
    return {re.sub("[A-Z]", r"_\g<0>", key).lower(): value for key, value in relabelling.items()}


def target(built: Built, pod: str, gateway: Served) -> dict[str, Any]:
    """Return a target as Kubernetes tells Prometheus of it."""
    labels = built.pod["metadata"]["labels"]
    told = {f"pod_label_{sanitized(name)}": value for name, value in labels.items()}
    told |= {"namespace": "speech", "pod_name": pod, "pod_container_name": built.container["name"]}
    address = gateway.gateway.metrics_url.removeprefix("http://")
    return {
        "targets": [address],
        "labels": {f"__meta_kubernetes_{name}": value for name, value in told.items()},
    }


@pytest.fixture
async def prometheus(backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """Prometheus, as the operator would have it ask two pods."""
    built = build(DEPLOY / "overlays/monitoring")
    monitor = built.the("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    flags = (backend.url, "--metrics-listen", "127.0.0.1:0")
    async with serving(*flags) as one, serving(*flags) as two:
        job = {
            "job_name": "podMonitor/speech/speech-gateway/0",
            "static_configs": [
                target(built, pod, gateway) for pod, gateway in zip(PODS, (one, two), strict=True)
            ],
            "relabel_configs": [
                *of_the_operator(monitor, endpoint["port"]),
                *map(snake_case, endpoint["relabelings"]),
            ],
        }
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(eager_rules(tmp_path))],
            "scrape_configs": [job],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        async with running_prometheus(tmp_path / "prometheus.yml", tmp_path) as running:
            yield running


async def labels_of(prometheus: Prometheus, expr: str, count: int) -> list[dict[str, str]]:
    """Wait until there are as many series; return their labels."""
    samples = await until(
        lambda: prometheus.query(expr), QUERY_TIMEOUT, holds=lambda found: len(found) == count
    )
    return sorted((sample.labels for sample in samples), key=lambda labels: sorted(labels.items()))


async def test_gateways_differ_by_their_instance_alone(prometheus: Prometheus) -> None:
    scraped = await labels_of(prometheus, 'gateway_slots_held{endpoint="tts"}', 2)
    up = await labels_of(prometheus, "up", 2)
    (together,) = await labels_of(prometheus, "max without (instance) (gateway_backend_ready)", 1)

    shared = {"job": "speech-gateway", "namespace": "speech"}
    name = {"__name__": "gateway_slots_held", "endpoint": "tts"}
    assert scraped == [{**shared, **name, "instance": pod} for pod in PODS]
    assert up == [{**shared, "__name__": "up", "instance": pod} for pod in PODS]
    assert together == shared


async def test_the_rules_find_what_they_ask_for(prometheus: Prometheus) -> None:
    taken = await labels_of(prometheus, "instance:gateway_slots_taken:ratio", 2)

    assert [labels["instance"] for labels in taken] == list(PODS)
    assert await prometheus.query('ALERTS{alertname="SpeechGatewayAbsent"}') == []


async def test_the_adapter_finds_each_pods_number(prometheus: Prometheus) -> None:
    adapter = yaml.safe_load((COMPONENTS / "autoscaling/prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]
    of_a_resource = {
        one["resource"]: label for label, one in rule["resources"]["overrides"].items()
    }

    # As the adapter fills in its templates, for all pods of a namespace.
    query = (
        rule["metricsQuery"]
        .replace("<<.Series>>", "gateway_slots_held")
        .replace("<<.LabelMatchers>>", f'{of_a_resource["namespace"]}="speech"')
        .replace("<<.GroupBy>>", of_a_resource["pod"])
    )
    numbers = await labels_of(prometheus, query, 2)
    series = await labels_of(prometheus, rule["seriesQuery"], 8)

    assert numbers == [{of_a_resource["pod"]: pod} for pod in PODS]
    assert {labels["__name__"] for labels in series} == {
        "gateway_slots_held",
        "gateway_waiting_requests",
    }
