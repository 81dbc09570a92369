"""Where a request came from, and with what: tables of what is believed."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.clients import client_ip, client_user_agent, network_of
from accounts.models import USER_AGENT_LENGTH

PEER = "192.0.2.1"


def ip_of(peer: str | None, forwarded: str | None = None) -> str | None:
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]
    if peer is not None:
        request.META["REMOTE_ADDR"] = peer
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_ip(request)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        (None, None),
        ("", None),
        ("unix:/run/site.sock", None),
        ("203.0.113.700", None),
        ("203.0.113.7\x00", None),
        ("4711", None),
    ],
)
def test_the_address_is_the_peers(peer: str | None, expected: str | None) -> None:
    assert ip_of(peer) == expected


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        # No proxy is trusted: the client wrote the header itself.
        (0, "203.0.113.7", PEER),
        # One proxy has appended the address that it saw; what stands left of that is the client's invention.
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "10.0.0.1, 203.0.113.7", "203.0.113.7"),
        (1, "10.0.0.1,203.0.113.7 ", "203.0.113.7"),
        # Of two, the inner one has appended the outer one's address.
        (2, "203.0.113.7, 198.51.100.1", "203.0.113.7"),
        (2, "10.0.0.1, 203.0.113.7, 198.51.100.1", "203.0.113.7"),
        # Too short: it did not pass both.
        (2, "203.0.113.7", PEER),
        (1, "", PEER),
        (1, None, PEER),
        # Nonsense where the address should be.
        (1, "203.0.113.7, unknown", PEER),
        (1, "203.0.113.7, <script>", PEER),
        (1, ",", PEER),
        # With the port, as some proxies write it.
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "[2001:db8::7]", "2001:db8::7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "[::ffff:203.0.113.7]:4711", "203.0.113.7"),
        (1, "203.0.113.7:port", PEER),
    ],
)
def test_of_forwarded_addresses_only_what_trusted_proxies_wrote_is_believed(
    settings: Settings, proxies: int, forwarded: str | None, expected: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    assert ip_of(PEER, forwarded) == expected


def test_behind_a_socket_only_a_trusted_proxy_knows_the_address(settings: Settings) -> None:
    assert ip_of("", "203.0.113.7") is None

    settings.TRUSTED_PROXY_COUNT = 1
    assert ip_of("", "203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.255", "203.0.113.0/24"),
        ("203.0.114.0", "203.0.114.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        (None, ""),
    ],
)
def test_neighbours_share_a_network(ip: str | None, network: str) -> None:
    assert network_of(ip) == network


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"curl/8", "curl/8"),
        (b"", ""),
        (b"a\x00b\r\nc\x1b[31m\x7f", "a?b??c?[31m?"),
        (b"\xff\xfe\x80", "ÿþ?"),
        (b"x" * 10_240, "x" * USER_AGENT_LENGTH),
    ],
)
def test_a_user_agent_is_kept_as_printable_text(sent: bytes, kept: str) -> None:
    # PEP 3333: a WSGI server hands headers over as Latin-1.
    request = RequestFactory().get("/", HTTP_USER_AGENT=sent.decode("latin-1"))
    assert client_user_agent(request) == kept


def test_a_request_without_a_user_agent_has_an_empty_one() -> None:
    assert client_user_agent(RequestFactory().get("/")) == ""
