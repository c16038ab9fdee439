"""Those who are told of each exchange: plugins that watch requests and do not change them."""

from typing import Protocol

from aiohttp import web

from .exchange import Exchange
from .observation import Observation, guarded


class Observer(Protocol):
    """Is told of exchanges."""

    def begin(self, exchange: Exchange, request: web.Request | None, /) -> Observation | None:
        """Return what observes an exchange that begins, if anything does."""


class Observers:
    """All observers of one application."""

    def __init__(self) -> None:
        self._all: list[Observer] = []

    def add(self, observer: Observer) -> None:
        """Tell observer of every exchange from now on."""
        self._all.append(observer)

    def begin(self, exchange: Exchange, request: web.Request | None = None) -> None:
        """Tell them of an exchange that begins; what is said on live connections has no request."""
        for observer in self._all:
            with guarded():
                observation = observer.begin(exchange, request)
                if observation is not None:
                    exchange.observations = (*exchange.observations, observation)


def end(exchange: Exchange) -> None:
    """Tell those who observe an exchange that it has ended."""
    for observation in reversed(exchange.observations):
        with guarded():
            observation.end()


OBSERVERS = web.AppKey("observers", Observers)
