"""Whatever a browser, a proxy or a server says of itself, a person can sign in and nobody gets an error page."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from accounts.models import USER_AGENT_LENGTH, SignIn, User
from tests.accounts.browser import CURL, HOME, LOGIN, Browser, decide, signed_in
from tests.conftest import PASSWORD

PROXY = "192.0.2.1"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(b"x" * 10_240, "x" * USER_AGENT_LENGTH, id="10 kB"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"Mozilla/5.0 \xff\xfe\x80", "Mozilla/5.0 ÿþ?", id="not UTF-8"),
        pytest.param("Mozilla/5.0 \N{SNOWMAN}".encode(), "Mozilla/5.0 â??", id="UTF-8"),
        pytest.param(b"Mozilla\x1b[2J\r\nX: y", "Mozilla?[2J??X: y", id="control characters"),
        pytest.param(b"Mozilla\x00/5.0", "Mozilla?/5.0", id="NUL"),
        pytest.param(b"<script>alert(1)</script>", "<script>alert(1)</script>", id="markup"),
        pytest.param(b"Mozilla/5.0 (" * 200, ("Mozilla/5.0 (" * 200)[:USER_AGENT_LENGTH], id="to keep a parser busy"),
    ],
)
def test_any_user_agent_can_sign_in_and_is_decided(alice: User, sent: bytes, kept: str) -> None:
    # PEP 3333: a WSGI server hands the bytes over as Latin-1.
    browser = Browser(sent.decode("latin-1"))
    sign_in = decide(browser.sign_in(alice))
    sign_in.refresh_from_db()

    assert sign_in.user_agent == kept
    assert "<script>alert" not in browser.get("/security/").content.decode()


@pytest.mark.parametrize(
    ("peer", "kept"),
    [
        pytest.param("2001:db8::7", "2001:db8::7", id="IPv6"),
        pytest.param("::ffff:203.0.113.7", HOME, id="IPv4 in IPv6"),
        pytest.param("", None, id="a socket"),
        pytest.param("unix:", None, id="a socket by name"),
        pytest.param("300.1.2.3", None, id="no address"),
    ],
)
def test_a_person_can_sign_in_from_any_address_or_none(alice: User, peer: str, kept: str | None) -> None:
    sign_in = decide(Browser(CURL, ip=peer).sign_in(alice))

    assert sign_in.ip_address == kept


@pytest.mark.parametrize("path", [LOGIN, "/accounts/password/reset/", "/accounts/signup/", "/admin/login/"])
def test_forms_answer_without_an_address_too(path: str, alice: User) -> None:
    assert Browser(ip="").get(path).status_code == 200
    assert Browser(ip="").post(path, {"login": "a", "username": "b", "email": "c", "password": "d"}).status_code == 200


def test_clients_without_an_address_share_one_limit(alice: User) -> None:
    for n in range(10):
        Browser(ip="").post(LOGIN, {"login": f"person-{n}", "password": "wrong"})

    refused = Browser(ip="unix:").post(LOGIN, {"login": "alice", "password": PASSWORD})
    assert "Too many sign-ins have failed" in refused.content.decode()
    Browser(ip=HOME).sign_in(alice)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "kept"),
    [
        pytest.param(0, HOME, PROXY, id="no proxy is trusted"),
        pytest.param(1, HOME, HOME, id="one proxy"),
        pytest.param(1, f"10.0.0.1, {HOME}", HOME, id="one proxy, and the client wrote more"),
        pytest.param(2, f"{HOME}, 10.0.0.9", HOME, id="two proxies"),
        pytest.param(2, f"6.6.6.6, {HOME}, 10.0.0.9", HOME, id="two proxies, and the client wrote more"),
        pytest.param(2, HOME, PROXY, id="too short for two"),
        pytest.param(1, "", PROXY, id="empty"),
        pytest.param(1, "<b>\x00, ÿ", PROXY, id="garbage"),
        pytest.param(1, f"{HOME}:4711", HOME, id="with a port"),
        pytest.param(1, "[2001:db8::7]:4711", "2001:db8::7", id="IPv6 with a port"),
        pytest.param(1, f"{'9' * 10_240}, {HOME}", HOME, id="10 kB"),
    ],
)
def test_forwarded_addresses_never_stand_in_the_way(
    alice: User, settings: Settings, proxies: int, forwarded: str, kept: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    answer = Client().post(
        LOGIN,
        {"login": "alice", "password": PASSWORD},
        REMOTE_ADDR=PROXY,
        HTTP_X_FORWARDED_FOR=forwarded,
    )

    assert answer.status_code == 302
    assert SignIn.objects.get().ip_address == kept


def test_limits_count_by_the_client_that_a_trusted_proxy_saw_not_by_what_it_says(
    alice: User, settings: Settings
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    def attempt(n: int) -> str:
        data = {"login": f"person-{n}", "password": "wrong"}
        forwarded = f"198.18.0.{n}, {HOME}"  # another invention each time, in front of the truth
        return Client().post(LOGIN, data, REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=forwarded).content.decode()

    assert not any("Too many" in attempt(n) for n in range(10))
    assert "Too many" in attempt(10)


@pytest.mark.parametrize("path", ["/", LOGIN, "/security/", "/runs/0190a0b0-0000-7000-8000-000000000000/panel/"])
def test_a_session_cookie_with_a_nul_is_no_session(path: str, db: None) -> None:
    with_one, without = Client(), Client()
    answers = [
        with_one.get(path, HTTP_COOKIE='sessionid="abcdefghijkl\\000"'),
        without.get(path),
    ]
    assert len({(answer.status_code, answer.headers.get("Location")) for answer in answers}) == 1


@pytest.mark.parametrize("address", [f"a@{'ü' * 63}.de", "a@\u00ad.de", "a@x.\u00ad.de"])
@pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/signup/", "/accounts/email/"])
def test_an_address_that_no_mail_can_name_is_refused(alice: User, path: str, address: str) -> None:
    form = {"email": address, "username": "newcomer", "password1": "another-horse", "password2": "another-horse"}
    browser = signed_in(alice) if path == "/accounts/email/" else Browser()

    answer = browser.post(path, form | {"action_add": ""})

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not User.objects.filter(username="newcomer").exists()
    assert EmailAddress.objects.count() == 1
