"""The Host header: a name in ALLOWED_HOSTS, and no port but SITE_URL's."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings


@pytest.mark.parametrize(
    ("site_url", "host", "status"),
    [
        ("http://testserver", "testserver", 200),
        ("http://testserver", "testserver:80", 200),
        ("http://testserver", "testserver:1337", 400),
        ("http://testserver", "testserver:99999", 400),
        ("http://testserver", "testserver:", 400),
        ("http://[::1]:8000", "[::1]:8000", 200),
        ("http://[::1]:8000", "[::1]:8001", 400),
        ("http://testserver:8000", "testserver:8000", 200),
        ("http://testserver:8000", "testserver", 200),
        ("https://testserver", "testserver:443", 200),
        ("https://testserver", "testserver:80", 400),
        ("http://testserver", "elsewhere", 400),
    ],
)
def test_the_port_is_the_sites_own(settings: Settings, site_url: str, host: str, status: int) -> None:
    settings.SITE_URL = site_url
    settings.ALLOWED_HOSTS = ["testserver", "[::1]"]

    assert Client(HTTP_HOST=host).get("/healthz").status_code == status
