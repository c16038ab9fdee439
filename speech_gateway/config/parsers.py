"""Parsers of the settings' values; each ValueError says what the value may be."""

import math
import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from .addresses import MAX_SOCKET_PATH, ListenAddress, Network, UpstreamAddress
from .origins import ANY, canonical

T = TypeVar("T")
EMBEDDED = "embedded"
_ON, _OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|)", re.ASCII)
_DECIMAL = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,15}")
_HOST = re.compile(r"[A-Za-z0-9._-]*|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
_TOKEN = re.compile(r"[\x21-\x7e]+")


def listen_address(text: str) -> ListenAddress:
    """Parse ``host:port``, ``:port``, ``[::1]:port`` or ``unix:/path``."""
    problem = "must be host:port, :port, [::1]:port or unix:/path"
    if text.startswith("unix:"):
        return ListenAddress(unix_path=_socket_path(text.removeprefix("unix:"), problem))
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(problem)
    if not colon or not _WHOLE.fullmatch(port) or int(port) > 65535 or not _HOST.fullmatch(host):
        raise ValueError(problem)
    try:
        host.encode("idna")
    except UnicodeError:  # a..b, say
        raise ValueError(problem) from None
    return ListenAddress(host=host, port=int(port))


def _socket_path(path: str, problem: str) -> Path:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(problem)
    try:
        length = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise ValueError(problem) from None
    if length > MAX_SOCKET_PATH:
        raise ValueError(f"must be a unix socket's path of at most {MAX_SOCKET_PATH} bytes")
    return Path(path)


def backend(text: str) -> UpstreamAddress | None:
    """Parse the backend's URL; ``embedded`` is None."""
    if text.strip().lower() == EMBEDDED:
        return None
    problem = f"must be an http:// or https:// URL without user, query or fragment, or '{EMBEDDED}'"
    try:
        url = urlsplit(text)
        port = url.port
        (url.hostname or "").encode("idna")
    except ValueError:
        raise ValueError(problem) from None
    plain = re.fullmatch(r"[\x21-\x7e]+", text) and not (
        url.query or url.fragment or "@" in url.netloc
    )
    if url.scheme not in ("http", "https") or not url.hostname or not plain or port == 0:
        raise ValueError(problem)
    tls = url.scheme == "https"
    return UpstreamAddress(
        host=url.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
        base_path=url.path.rstrip("/"),
    )


def whole(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers of at least least."""

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text.strip()) or int(text) < least:
            raise ValueError(f"must be a whole number, {least} or more")
        return int(text)

    return parse


def seconds(*, zero: bool = False) -> Callable[[str], float]:
    """Return a parser of durations: seconds, or a number with ms, s, m or h."""
    least = "0" if zero else "more than 0"

    def parse(text: str) -> float:
        match = _DURATION.fullmatch(text.strip())
        value = float(match[1]) * _UNITS[match[2]] if match else math.nan
        if not (0 < value <= 86400 or (zero and value == 0)):
            raise ValueError(f"must be a duration, {least} to 24h, like 30, 0.5, 500ms or 2m")
        return value

    return parse


def share(text: str) -> float:
    """Parse a part of a whole: more than 0, at most 1, or a percentage."""
    number = text.strip().removesuffix("%")
    scale = 100 if number != text.strip() else 1
    value = float(number) / scale if _DECIMAL.fullmatch(number) else math.nan
    if not 0 < value <= 1:
        raise ValueError("must be more than 0 and at most 1, like 0.5 or 50%")
    return value


def hops(text: str) -> tuple[tuple[Network, ...], ...]:
    """Parse the trusted proxies: ``;`` between hops, ``,`` between the addresses of one hop."""
    try:
        return tuple(
            tuple(_network(network.strip()) for network in hop.split(","))
            for hop in text.split(";")
        )
    except ValueError:
        raise ValueError(
            "must be addresses or networks like 10.0.0.0/8,::1, the nearest proxy first, with ; "
            "before the next one on the way"
        ) from None


def _network(text: str) -> Network:
    """Parse an address or a network; an IPv4-mapped one becomes IPv4."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((int(mapped or 0), network.prefixlen - _IPV4_MAPPED.prefixlen))
    return network


def origins(text: str) -> frozenset[str]:
    """Parse origins with commas, into their canonical form; ``*`` stays."""
    found = set()
    for part in map(str.strip, text.split(",")):
        origin = part if part == ANY else canonical(part)
        if origin is None:
            raise ValueError(
                "must be *, null or scheme://host[:port] like https://app.example or "
                "http://localhost:3000, without a path, a query or a wildcard"
            )
        found.add(origin)
    return frozenset(found)


def token(text: str) -> str:
    """Check a bearer token, which goes into a header."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("must be visible ASCII characters without spaces")
    return text


def text_value(text: str) -> str:
    """Check a printable text."""
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a printable text")
    return text


def switch(text: str) -> bool:
    """Parse a boolean in its usual spellings."""
    word = text.strip().lower()
    if word not in _ON + _OFF:
        raise ValueError("must be true or false")
    return word in _ON


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser that accepts only the choices, in any case."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return word

    return parse
