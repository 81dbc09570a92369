"""The mailbox in the browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from loginwatch.demo.mailbox import Mailbox
from loginwatch.demo.views import BACKEND
from tests.demo.test_mailbox import HOSTILE_KEYS

pytestmark = pytest.mark.urls("tests.demo.urls")
HTML = "<!doctype html><html><head><title>Hi</title></head><body><script>alert(1)</script><b>Hello</b></body></html>"


@pytest.fixture(autouse=True)
def mail_folder(tmp_path: Path, settings: Settings) -> Path:
    settings.EMAIL_BACKEND = BACKEND
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def key(mail_folder: Path) -> str:
    """Of a mail with a text and an HTML part."""
    message = EmailMultiAlternatives(
        "<Hello>", "See http://127.0.0.1:8000/reset/ & <smile>", "site@example.com", ["a@example.com"]
    )
    message.attach_alternative(HTML, "text/html")
    return Mailbox(mail_folder).deliver(message.message().as_bytes())


def page(client: Client, name: str, *args: str) -> str:
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_an_empty_mailbox_says_how_to_get_a_mail(client: Client) -> None:
    assert "There is none yet" in page(client, "demo-mail")


def test_the_list_leads_to_each_mail_and_shows_nothing_of_it_as_markup(client: Client, key: str) -> None:
    shown = page(client, "demo-mail")
    assert reverse("demo-mail-message", args=[key]) in shown
    assert "&lt;Hello&gt;" in shown
    assert "a@example.com" in shown


def test_a_mails_page_has_its_text_with_links_and_its_html_in_a_sandboxed_frame(client: Client, key: str) -> None:
    shown = page(client, "demo-mail-message", key)
    assert '<a href="http://127.0.0.1:8000/reset/"' in shown
    assert "&amp; &lt;smile&gt;" in shown
    assert f'src="{reverse("demo-mail-html", args=[key])}"' in shown
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    assert "alert(1)" not in shown


def test_the_html_may_be_framed_by_this_site_and_may_run_nothing(client: Client, key: str) -> None:
    response = client.get(reverse("demo-mail-html", args=[key]))
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "sandbox allow-popups" in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert '<base target="_blank">' in response.content.decode()


def test_no_other_page_may_be_framed(client: Client, key: str) -> None:
    response = client.get(reverse("demo-mail-message", args=[key]))
    assert response["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_mail_is_never_kept_by_a_browser_or_a_proxy(client: Client, key: str) -> None:
    for name in ("demo-mail-message", "demo-mail-html"):
        assert "no-store" in client.get(reverse(name, args=[key]))["Cache-Control"]


@pytest.mark.parametrize("hostile", [key for key in HOSTILE_KEYS if key and "/" not in key])
def test_a_key_that_is_no_mails_is_not_found(client: Client, key: str, hostile: str) -> None:
    for name in ("demo-mail-message", "demo-mail-html"):
        assert client.get(reverse(name, args=[hostile])).status_code == 404


@pytest.mark.parametrize("address", ["../../secret-key/", "%2e%2e/", "..%2F..%2Fsecret-key/", "%00/"])
def test_no_address_leads_out_of_the_mailbox(client: Client, key: str, address: str) -> None:
    assert client.get(f"/demo/mail/{address}").status_code == 404


def test_where_mail_goes_elsewhere_the_page_says_so(client: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert "goes there and not here" in page(client, "demo-mail")
    assert client.get(reverse("demo-mail-message", args=["1.M1P1Q1.host"])).status_code == 404
