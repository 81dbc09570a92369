"""Where a request came from, and with what. All of it is evidence that the client chose, never identity."""

from __future__ import annotations

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

from accounts.models import USER_AGENT_LENGTH

# What proxies write around an address: its port, and an IPv6 address's brackets.
_WITH_PORT = re.compile(r"\[(?P<ipv6>[^]]+)\](:\d+)?|(?P<ipv4>[\d.]+):\d+")


def client_ip(request: HttpRequest) -> str | None:
    """The client's address, or None where there is none (a socket, a test, a malformed header).

    With ``TRUSTED_PROXY_COUNT`` proxies in front, each has appended the address it saw to X-Forwarded-For, so
    the client's is that many from the right; whatever stands further left, the client wrote itself. A header
    with fewer entries did not pass all the proxies: the peer's address is the only one that can be believed.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    count = settings.TRUSTED_PROXY_COUNT
    if 0 < count <= len(forwarded) and (address := _address(forwarded[-count])):
        return address
    return _address(request.META.get("REMOTE_ADDR", ""))


def _address(text: str) -> str | None:
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match["ipv6"] or match["ipv4"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def client_user_agent(request: HttpRequest) -> str:
    """The user agent as printable text, cut to what is kept of it."""
    raw = request.META.get("HTTP_USER_AGENT", "")
    return "".join(character if character.isprintable() else "?" for character in raw[:USER_AGENT_LENGTH])


def network_of(ip: str | None) -> str:
    """The network that an address's neighbours share: its /24 (IPv4) or /64 (IPv6); "" for None."""
    if ip is None:
        return ""
    prefix = 64 if ":" in ip else 24
    return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False))
