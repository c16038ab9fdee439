"""Writes the rules of config/prometheus as a manifest for the Prometheus operator."""

from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parents[1]
RULES = ROOT / "config" / "prometheus" / "rules.yml"
MANIFEST = ROOT / "deploy" / "kustomize" / "components" / "monitoring" / "prometheusrule.yaml"
HEAD = """\
# Written from config/prometheus/rules.yml by: make config
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: speech-gateway
  labels:
    app.kubernetes.io/name: speech-gateway
    app.kubernetes.io/component: gateway
    app.kubernetes.io/part-of: speech
spec:
"""


def render() -> str:
    """Return the manifest: the rules as they are, with their comments, a level deeper."""
    return HEAD + indent(RULES.read_text(), "  ")


if __name__ == "__main__":
    MANIFEST.write_text(render())
