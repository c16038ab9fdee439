"""What all sessions use of the gateway."""

from dataclasses import dataclass

from aiohttp import web

from ...config.settings import Settings
from ...media.live.live_audio import LiveAudio
from ...metrics import Metrics
from ...middlewares.drain import Drain
from ...timeout_checker import TimeoutChecker
from ..live_requests import LiveRequests
from ..resources import Resources


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions use."""

    settings: Settings
    resources: Resources
    requests: LiveRequests
    live_audio: LiveAudio
    metrics: Metrics
    drain: Drain
    checker: TimeoutChecker
    """Asks whether clients are still there."""


SERVICES = web.AppKey("realtime_services", Services)
