"""Which settings can change while the gateway serves, and which need a restart."""

from dataclasses import replace

from .settings import Settings

NEED_RESTART = ("listen", "metrics_listen", "wyoming_listen", "wyoming_announce")
"""What sockets were opened by."""
ENGINE = ("skit_url", "engine_model")
"""What the bundled engine was started by, where it is used."""


def applicable(running: Settings, wanted: Settings) -> tuple[Settings, list[str]]:
    """Return what is wanted, as far as it can be had without a restart, and what cannot.

    The latter are names of settings, as an operator writes them.
    """
    has_engine = running.skit_url is None or wanted.skit_url is None
    fixed = (*NEED_RESTART, *(ENGINE if has_engine else ()))
    kept = {name: getattr(running, name) for name in fixed}
    waiting = [name for name, value in kept.items() if getattr(wanted, name) != value]
    names = [name.replace("engine_model", "stt_model").replace("_", "-") for name in waiting]
    return replace(wanted, **kept), names
