"""What all of Wyoming's connections use of the gateway."""

from dataclasses import dataclass

from aiohttp import web

from ...config.settings import SETTINGS, Settings
from ...metrics import METRICS, Metrics
from ...server.current_app import USERS, Users
from ...timeout_checker import TimeoutChecker
from ...upstream.client import UPSTREAM_CLIENT
from ..live_requests import LIVE_REQUESTS, LiveRequests
from ..resources import RESOURCES, Resources
from .service_info import ServiceInfo


@dataclass(frozen=True, slots=True)
class WyomingServices:
    """What all connections use."""

    settings: Settings
    resources: Resources
    requests: LiveRequests
    metrics: Metrics
    info: ServiceInfo
    checker: TimeoutChecker
    """Looks for clients that have fallen silent."""
    users: Users
    """Who uses the application that these are parts of."""

    @classmethod
    def of(cls, app: web.Application) -> "WyomingServices":
        """Return those of an application."""
        settings, resources = app[SETTINGS], app[RESOURCES]
        info = ServiceInfo(
            settings.pipelines["stt"], resources.voices, app[UPSTREAM_CLIENT].health_check
        )
        return cls(
            settings,
            resources,
            app[LIVE_REQUESTS],
            app[METRICS],
            info,
            TimeoutChecker(settings.client_timeout),
            app[USERS],
        )
