"""The site in real web processes, with a real worker behind it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from django.conf import settings

from accounts.device_cookies import cookie_name
from accounts.models import SignIn, User
from loginwatch.chaos.listening import spare_port
from tests import servers
from tests.conftest import PASSWORD
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.risk_service import RiskService
from workflows.models import Run
from workflows.recovery import recover_runs

FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@contextmanager
def serving(database_url: str, log: str, **more: str) -> Iterator[str]:
    """The site on this database; its address."""
    port = spare_port()
    site_url = f"http://127.0.0.1:{port}"
    env = {"DATABASE_URL": database_url, "PORT": str(port), "SITE_URL": site_url, "TRUSTED_PROXY_COUNT": "1", **more}
    web = servers.Server(str(servers.BIN / "gunicorn"), "loginwatch.wsgi", log=SCRATCH / log, env=env)
    with servers.running(web, says="Listening at"):
        yield site_url


@pytest.fixture(scope="module")
def site_url(broker: servers.Server, database_url: str) -> Iterator[str]:
    with serving(database_url, "web.log") as url:
        yield url


@pytest.fixture
def browser(site_url: str) -> Iterator[Callable[..., httpx.Client]]:
    """Opens a browser of its own cookies."""
    opened: list[httpx.Client] = []

    def open_browser(**headers: bytes) -> httpx.Client:
        named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        client = httpx.Client(base_url=site_url, headers={b"User-Agent": FIREFOX} | named, timeout=30)
        opened.append(client)
        return client

    yield open_browser
    for client in opened:
        client.close()


def sign_in(client: httpx.Client, name: str = "alice", password: str = PASSWORD) -> httpx.Response:
    form = client.get("/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    assert token, form.text
    return client.post("/accounts/login/", data={"csrfmiddlewaretoken": token[1], "login": name, "password": password})


def all_finished(count: int) -> bool:
    """Beat does not run here, so recovery is called instead: it has what a busy machine did not publish in time."""
    recover_runs()
    return Run.objects.count() == count and all(run.is_finished for run in Run.objects.all())


def test_sign_ins_at_the_same_instant_are_all_watched_and_make_one_first_device(
    alice: User, worker: servers.Server, risk: RiskService, browser: Callable[..., httpx.Client]
) -> None:
    # Fewer than the attempts at one account that the limits let through at once.
    clients = [browser() for _ in range(4)]

    with ThreadPoolExecutor(len(clients)) as at_once:
        answers = list(at_once.map(sign_in, clients))

    assert {(answer.status_code, answer.headers.get("Location")) for answer in answers} == {(302, "/security/")}
    wait_for(lambda: all_finished(4), "all runs finish")
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.SUCCEEDED}
    assert SignIn.objects.filter(device_reason=SignIn.DeviceReason.FIRST_DEVICE).count() == 1


@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param("User_Agent", b"x" * 10_000, id="a user agent of 10 kB"),
        pytest.param("User_Agent", b"", id="an empty user agent"),
        pytest.param("User_Agent", b"\xff\xfe\x80 not UTF-8", id="a user agent that is not UTF-8"),
        pytest.param("X_Forwarded_For", b"203.0.113.9, 198.51.100.1", id="a spoofed address"),
        pytest.param("X_Forwarded_For", b"2001:db8::1", id="IPv6"),
        pytest.param("X_Forwarded_For", b"nonsense' OR 1=1", id="an address that is none"),
    ],
)
def test_whatever_a_browser_says_of_itself_the_sign_in_is_watched(
    alice: User,
    worker: servers.Server,
    risk: RiskService,
    browser: Callable[..., httpx.Client],
    header: str,
    value: bytes,
) -> None:
    answer = sign_in(browser(**{header: value}))

    assert answer.status_code == 302
    wait_for(lambda: all_finished(1), "the run finishes")
    assert Run.objects.get().state == Run.State.SUCCEEDED
    assert SignIn.objects.get().ip_address in {"127.0.0.1", "198.51.100.1", "2001:db8::1"}


def test_a_forged_device_cookie_is_as_good_as_none(
    alice: User, worker: servers.Server, risk: RiskService, browser: Callable[..., httpx.Client]
) -> None:
    client = browser()
    client.cookies.set(cookie_name(alice), "forged:signature")

    assert sign_in(client).status_code == 302
    wait_for(lambda: all_finished(1), "the run finishes")
    assert SignIn.objects.get().presented_token == ""


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("", ""), ("a" * 5000, "b")])
def test_who_cannot_sign_in_is_told_so_and_nothing_is_recorded(
    alice: User, browser: Callable[..., httpx.Client], name: str, password: str
) -> None:
    answer = sign_in(browser(), name, password)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.text or "errorlist" in answer.text or "error" in answer.text
    assert not SignIn.objects.exists()


def test_where_the_database_is_away_the_site_says_when_to_come_back(broker: servers.Server) -> None:
    nowhere = f"postgres://nobody@127.0.0.1:{spare_port()}/none"
    secret = "whsec_" + base64.b64encode(b"a secret of 24 bytes or more").decode()
    with serving(nowhere, "web-without-database.log", DEBUG="0", RISK_API_SECRET=secret) as url:
        answer = httpx.get(f"{url}/security/", cookies={settings.SESSION_COOKIE_NAME: "a" * 32}, timeout=30)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Back in a moment" in answer.text
