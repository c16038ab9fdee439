"""Origins: whose page sends a request (RFC 6454)."""

import re
from ipaddress import IPv6Address

ANY = "*"
"""In the setting: every origin."""
OPAQUE = "null"
"""What browsers send for a page without an origin of its own: from a file, in a sandbox."""
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]{1,253}))"
    r"(:(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical(text: str) -> str | None:
    """Return the origin in the one form in which origins are compared; None if text is none.

    Case, the scheme's default port and the spelling of an IPv6 address make no difference.
    """
    if text.lower() == OPAQUE:
        return OPAQUE
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["name"]
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS.get(scheme)
    if port is not None and not 0 < port < 65536:
        return None
    if host is None:
        try:
            host = f"[{IPv6Address(match['ipv6'])}]"
        except ValueError:
            return None
    tail = "" if port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{host.lower()}{tail}"
