"""What outlives a change of the settings, as all applications of a gateway share it."""

from collections import Counter
from dataclasses import dataclass, field

from .api.metrics_page import MetricsPage
from .metrics import Metrics
from .middlewares.concurrency_gate import GateLimits, Occupancy
from .middlewares.drain import Drain


@dataclass(frozen=True, slots=True)
class Lasting:
    """The counts, the slots, and what is under way, from the start of the process to its end."""

    metrics: Metrics
    metrics_page: MetricsPage
    occupancy: Occupancy = field(default_factory=Occupancy)
    drain: Drain = field(default_factory=Drain)
    open_sockets: Counter[str] = field(default_factory=Counter)
    """Realtime sockets, by client."""

    @classmethod
    def begun(cls, limits: GateLimits) -> "Lasting":
        """Return what a gateway begins with."""
        metrics = Metrics()
        lasting = cls(metrics, MetricsPage(metrics))
        lasting.limit(limits)
        return lasting

    def limit(self, limits: GateLimits) -> None:
        """Have so many slots from now on; who holds one or waits already is not turned away."""
        self.occupancy.slots.resize(limits.slots, limits.slots_each)
        self.metrics.slots.set(limits.slots)
