"""The page of metrics, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families


def sum_of(page: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's series that have labels; 0 when there is none."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
