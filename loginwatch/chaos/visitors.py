"""The people who sign in while the faults happen: over HTTP, at a steady rate, and again when it does not work.

Each comes from a network address of its own, as the site's limits count by address. Some bring a browser that was
there before and has kept its device cookie, most of the others one that is new; of those that come again, a few say
that they run on another system, as a copied cookie would.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar
from typing import Literal

import httpx

from loginwatch.demo.cast import PASSWORD, address_of

FORM = "/accounts/login/"
DEVICE_COOKIES = "device_"
MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
USER_AGENTS = (
    f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/138.0.0.0 Safari/537.36",
    f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.5 Safari/605.1.15",
    f"{MOZILLA} (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Version/18.5 Mobile/15E148 Safari/604.1",
    f"{MOZILLA} (Linux; Android 15; Pixel 9) {WEBKIT} Chrome/138.0.0.0 Mobile Safari/537.36",
)
# Of the visits, those by a browser that was there before; and of these, those by one that names another system.
RETURNING, CHANGED = 0.6, 0.05
# Seconds: how long a request may take, how long a person waits before trying again, and when they give up.
REQUEST_TIMEOUT = 30.0
PAUSE = (1.0, 3.0)
PATIENCE = 120.0
# RFC 2544's 198.18.0.0/15, for measurements: so many networks of 256 addresses, of which each gets one visit in turn.
NETWORKS = 512


@dataclass(frozen=True)
class Attempt:
    """One request. ``began`` is a time.time(), ``seconds`` until its answer or its end; ``status`` 0: no answer."""

    page: Literal["form", "sign_in"]
    began: float
    seconds: float
    status: int
    error: str = ""

    @property
    def ended(self) -> float:
        return self.began + self.seconds

    @property
    def signed_in(self) -> bool:
        return self.page == "sign_in" and self.status == httpx.codes.FOUND


@dataclass
class Visit:
    """One person's way in: attempts until one is answered, or the person gives up."""

    user: str
    address: str
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return any(attempt.signed_in for attempt in self.attempts)


@dataclass
class Browser:
    """It keeps its device cookies from visit to visit; its session is over each time."""

    user_agent: str
    cookies: CookieJar = field(default_factory=CookieJar)

    def end_session(self) -> None:
        for cookie in list(self.cookies):
            if not cookie.name.startswith(DEVICE_COOKIES):
                self.cookies.clear(cookie.domain, cookie.path, cookie.name)


class Visitors:
    """``count`` visits to ``url`` by ``users`` in turn, ``rate`` a second. ``visits`` grows as they come."""

    def __init__(self, url: str, users: Sequence[str], *, count: int, rate: float, seed: int) -> None:
        self.url = url
        self.users = users
        self.count = count
        self.rate = rate
        self.visits: list[Visit] = []
        self._random = random.Random(seed)  # noqa: S311  a mix, no secret
        self._idle: dict[str, list[Browser]] = defaultdict(list)

    @property
    def answered(self) -> int:
        return sum(visit.answered for visit in self.visits)

    async def come(self) -> None:
        """All visits, until the last is answered or given up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncHTTPTransport(limits=limits) as transport, asyncio.TaskGroup() as group:
            for number in range(self.count):
                await asyncio.sleep(began + number / self.rate - loop.time())
                group.create_task(self._visit(number, transport))

    async def _visit(self, number: int, transport: httpx.AsyncBaseTransport) -> None:
        user = self.users[number % len(self.users)]
        visit = Visit(user=user, address=address_for(number))
        self.visits.append(visit)
        browser = self._browser_of(user)
        client = httpx.AsyncClient(
            base_url=self.url,
            transport=transport,
            trust_env=False,
            timeout=REQUEST_TIMEOUT,
            cookies=browser.cookies,
            headers={"User-Agent": browser.user_agent, "X-Forwarded-For": visit.address},
        )
        give_up_at = time.monotonic() + PATIENCE
        while not await _sign_in(client, visit) and time.monotonic() < give_up_at:
            await asyncio.sleep(self._random.uniform(*PAUSE))
        browser.end_session()
        self._idle[user].append(browser)

    def _browser_of(self, user: str) -> Browser:
        idle = self._idle[user]
        if not idle or self._random.random() >= RETURNING:
            return Browser(self._random.choice(USER_AGENTS))
        browser = idle.pop(self._random.randrange(len(idle)))
        if self._random.random() < CHANGED:
            return replace(browser, user_agent=self._random.choice(USER_AGENTS))
        return browser


def address_for(number: int) -> str:
    """The address of the visit of this number, which no other of the next 130,000 has."""
    host, network = divmod(number, NETWORKS)
    second, third = divmod(network, 256)
    return f"198.{18 + second}.{third}.{1 + host % 254}"


async def _sign_in(client: httpx.AsyncClient, visit: Visit) -> bool:
    """Open the form anew and send it; what happened is added to the visit."""
    form = await _attempt(visit, "form", client.build_request("GET", FORM), client)
    if form.status != httpx.codes.OK:
        return False
    fields = {
        "login": address_of(visit.user),
        "password": PASSWORD,
        "csrfmiddlewaretoken": client.cookies.get("csrftoken", ""),
    }
    answer = await _attempt(visit, "sign_in", client.build_request("POST", FORM, data=fields), client)
    return answer.signed_in


async def _attempt(
    visit: Visit, page: Literal["form", "sign_in"], request: httpx.Request, client: httpx.AsyncClient
) -> Attempt:
    began, clock = time.time(), time.perf_counter()
    status, error = 0, ""
    try:
        status = (await client.send(request)).status_code
    except httpx.HTTPError as broken:
        error = str(broken) or type(broken).__name__
    attempt = Attempt(page, began, time.perf_counter() - clock, status, error)
    visit.attempts.append(attempt)
    return attempt
