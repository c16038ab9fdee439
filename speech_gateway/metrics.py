"""The metrics; their names and labels are a frozen contract with dashboards."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import prometheus_client
import prometheus_client.values
from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from . import __version__
from .endpoints import LABELS, METHODS, STT
from .exchange import CLIENT_LEFT, Exchange
from .media.workers.ends import End
from .upstream.backend_state import BackendState, Reason

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FIRST_BYTE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REASONS = {
    413: "too_large",
    415: "bad_content_type",
    502: "upstream_error",
    504: "upstream_error",
}
NAMED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
OTHER_METHOD = "other"
KNOWN_CODES = (200, 400, 403, 408, 413, 415, CLIENT_LEFT, 500, 502, 503, 504)
"""Statuses that any gateway may end an exchange with, beside those of the backend."""
_METHODS_REFUSED = ("GET", "HEAD", OTHER_METHOD)
_REFUSALS = (403, 405)
"""How requests with such a method end: those of other origins' pages, and all others."""
_PREFLIGHT_CODE = 204
_REGISTERED = frozenset(status.value for status in HTTPStatus)


Encode = Callable[[CollectorRegistry], bytes]


def method_label(method: str) -> str:
    """Return a method's label; all but four share one, so that clients cannot create series."""
    return method if method in NAMED_METHODS else OTHER_METHOD


def code_label(code: int) -> str:
    """Return a status's label; an unregistered one (RFC 9110, section 15) becomes its class."""
    if code in _REGISTERED or code == CLIENT_LEFT:
        return str(code)
    return f"{code // 100}xx"


@dataclass(frozen=True, slots=True)
class _Series:
    """The series of one endpoint, looked up once."""

    inflight: Gauge
    waiting: Gauge
    slots_held: Gauge
    duration: Histogram
    upstream: Histogram
    first_byte: Histogram
    bytes_out: Counter


def _set_up_client() -> None:
    """Have prometheus_client count as Go's client does, and in this process alone."""
    # Go's client has no _created series, and dashboards know none.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    # One process keeps its numbers in memory: a PROMETHEUS_MULTIPROC_DIR is for somebody else.
    prometheus_client.values.ValueClass = prometheus_client.values.MutexValue


class Metrics:
    """All metrics of one gateway, in a registry of their own."""

    def __init__(
        self,
        *,
        process: bool = True,
    ) -> None:
        _set_up_client()
        self.registry = registry = CollectorRegistry()
        self.requests = self._counter(
            "gateway_requests_total",
            "Requests finished, by how they really ended.",
            *("endpoint", "method", "code"),
        )
        self.rejected = self._counter(
            "gateway_rejected_total", "Requests refused, by reason.", "endpoint", "reason"
        )
        self.by_api = self._counter(
            "gateway_api_requests_total",
            "Requests finished, by whose API they were made through.",
            *("api", "endpoint", "code"),
        )
        self._conversions = self._counter(
            "gateway_conversions_total", "Conversions of audio that ended, by how.", "end"
        )
        # labels() takes a lock and sorts out its arguments each time; labels are few.
        self._requests_ended = cache(self.requests.labels)
        self._api_ended = cache(self.by_api.labels)
        self._live = self._gauge("gateway_live_sockets", "Live connections that are open.").labels(
            STT.label
        )
        self._transcript_delay = self._histogram(
            "gateway_live_transcript_seconds",
            "Seconds from the end of speech on a live connection to its whole transcript.",
            FIRST_BYTE_BUCKETS,
        ).labels(STT.label)
        self._series = self._per_endpoint()
        self.slots = Gauge(
            "gateway_slots", "Requests that may talk to the backend at once.", registry=registry
        )
        self._reload_success = Gauge(
            "gateway_config_last_reload_successful",
            "Whether the settings could be taken when they were last read.",
            registry=registry,
        )
        self._reload_time = Gauge(
            "gateway_config_last_reload_success_timestamp_seconds",
            "When settings were last taken, in seconds since 1970.",
            registry=registry,
        )
        Gauge(
            "gateway_build_info", "The version that runs.", ("version",), registry=registry
        ).labels(__version__).set(1)
        self._ready = Gauge(
            "gateway_backend_ready",
            "Whether the gateway's last look found that the backend can take calls.",
            registry=registry,
        )
        self._problem = Gauge(
            "gateway_backend_problem",
            "Whether the gateway's last look found this wrong with the backend.",
            ("reason",),
            registry=registry,
        )
        self._circuit_open = Gauge(
            "gateway_circuit_open",
            "Whether requests are refused at once, as the backend is gone.",
            registry=registry,
        )
        if process:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ("endpoint",), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...] = BUCKETS) -> Histogram:
        return Histogram(name, text, ("endpoint",), buckets=buckets, registry=self.registry)

    def _per_endpoint(self) -> dict[str, _Series]:
        duration = self._histogram(
            "gateway_request_duration_seconds",
            "Seconds from the request's head to the last byte or the break.",
        )
        inflight = self._gauge(
            "gateway_inflight_requests",
            "Requests received and not finished, waiting ones included.",
        )
        upstream = self._histogram(
            "gateway_upstream_duration_seconds",
            "Seconds from calling the backend to its response headers.",
        )
        waiting = self._gauge(
            "gateway_waiting_requests", "Requests waiting at the gate for a slot."
        )
        slots_held = self._gauge(
            "gateway_slots_held", "Slots held: requests that talk to the backend."
        )
        first_byte = self._histogram(
            "gateway_first_byte_seconds",
            "Seconds from the request's head to the first byte of the answer's body.",
            FIRST_BYTE_BUCKETS,
        )
        bytes_out = self._counter(
            "gateway_response_bytes_total", "Bytes of answers relayed to clients.", "endpoint"
        )
        return {
            name: _Series(
                inflight=inflight.labels(name),
                waiting=waiting.labels(name),
                slots_held=slots_held.labels(name),
                duration=duration.labels(name),
                upstream=upstream.labels(name),
                first_byte=first_byte.labels(name),
                bytes_out=bytes_out.labels(name),
            )
            for name in LABELS
        }

    def expect(
        self,
        *,
        refusals: Iterable[int] = (),
        apis: Iterable[str] = ("plain",),
        methods: Iterable[str] = METHODS,
        preflights: bool = False,
    ) -> None:
        """Have the series of what can come exist, at 0 where there was nothing yet.

        Args:
            refusals: statuses that only some settings lead to.
            apis: whose requests are served.
            methods: those of the endpoints.
            preflights: whether browsers' preflights are answered.
        """
        codes, apis, methods = (*KNOWN_CODES, *refusals), tuple(apis), tuple(methods)
        answered = (_PREFLIGHT_CODE,) if preflights else ()
        for end in End:
            self._conversions.labels(end)
        for problem in Reason:
            self._problem.labels(problem)
        for endpoint in LABELS:
            for api in apis:
                for code in (*codes, 405, *answered):
                    self.by_api.labels(api, endpoint, code_label(code))
            for method in methods:
                for code in codes:
                    self.requests.labels(endpoint, method, code_label(code))
            for method in _METHODS_REFUSED:
                for code in _REFUSALS:
                    self.requests.labels(endpoint, method, code_label(code))
            for code in answered:
                self.requests.labels(endpoint, OTHER_METHOD, code_label(code))
            for reason in sorted(set(REASONS.values())):
                self.rejected.labels(endpoint, reason)

    def received(self, exchange: Exchange) -> None:
        """Count a request that begins."""
        self._series[exchange.endpoint.label].inflight.inc()

    def finished(self, exchange: Exchange, method: str) -> None:
        """Count a request that ended, by its status."""
        endpoint = exchange.endpoint.label
        series = self._series[endpoint]
        series.inflight.dec()
        timings = exchange.timings
        exemplar = exchange.exemplar
        series.duration.observe(timings.so_far(), exemplar)
        if timings.backend is not None:
            series.upstream.observe(timings.backend, exemplar)
        if timings.first_byte is not None:
            series.first_byte.observe(timings.first_byte, exemplar)
            series.bytes_out.inc(exchange.bytes_out)
        status = exchange.status
        code = code_label(status)
        self._requests_ended(endpoint, method_label(method), code).inc()
        self._api_ended(exchange.endpoint.api, endpoint, code).inc()
        reason = REASONS.get(status)
        if reason is not None and not exchange.refused_by_backend:
            self.rejected.labels(endpoint, reason).inc()

    @contextmanager
    def live(self, exchange: Exchange) -> Iterator[None]:
        """Count a request that has become a live connection as one, and no more as a request."""
        exchange.upgraded = True
        self._series[exchange.endpoint.label].inflight.dec()
        self._live.inc()
        try:
            yield
        finally:
            self._live.dec()

    def transcribed(self, exchange: Exchange | None, delay: float) -> None:
        """Count the seconds from the end of live speech to its transcript, if there is one."""
        exemplar = None if exchange is None else exchange.exemplar
        self._transcript_delay.observe(delay, exemplar)

    def reloaded(self, *, successfully: bool) -> None:
        """Note that the settings were read, and whether they could be taken."""
        self._reload_success.set(successfully)
        if successfully:
            self._reload_time.set_to_current_time()

    def converted(self, end: End) -> None:
        """Count a conversion that ended."""
        self._conversions.labels(end).inc()

    def waiting(self, endpoint: str) -> Gauge:
        """Return the gauge of the requests that wait at the gate."""
        return self._series[endpoint].waiting

    def slots_held(self, endpoint: str) -> Gauge:
        """Return the gauge of the slots that are held."""
        return self._series[endpoint].slots_held

    def backend(self, state: BackendState) -> None:
        """Tell what is known of the backend."""
        self._ready.set(state.ready)
        self._circuit_open.set(state.gone)
        for reason in Reason:
            found = state.problem is not None and state.problem.reason is reason
            self._problem.labels(reason).set(found)

    def page(self, encode: Encode) -> bytes:
        """Return the metrics page; this takes milliseconds."""
        return encode(self.registry)


def page_format(accept: str) -> tuple[Encode, str]:
    """Return the encoder and content type of the page: OpenMetrics where accept asks for it."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4


METRICS = web.AppKey("metrics", Metrics)
