"""The whole site as `make run` starts it, and a real browser in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from loginwatch.demo.cast import PASSWORD
from tests.browser.chromium import NoChromium, find_chromium
from tests.demo.running_demo import Demo
from tests.waiting import PATIENCE_SECONDS, wait_for

# What the broker is slow to take is left to recovery, which takes some seconds.
expect.set_options(timeout=1000 * PATIENCE_SECONDS)

# Without these Chromium looks up its maker's hosts at every start, and does not start as root.
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("browser") / "var") as demo:
        yield demo


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    try:
        path = find_chromium()
    except NoChromium as missing:
        pytest.skip(str(missing))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(demo: Demo, chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own (its own cookies); what it must never do fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def watch_request(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(demo.url).netloc and not request.url.startswith("data:"):
            faults.append(f"a request left the site: {request.url}")

    def watch_console(message: ConsoleMessage) -> None:
        # A refused form (400) is a failed request to the console too: that one is wanted.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(f"the console says: {message.text}")

    def open_page(**options: object) -> Page:
        context = chromium.new_context(base_url=demo.url, **options)  # type: ignore[arg-type]  # its options by name
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("request", watch_request)
        page.on("console", watch_console)
        page.on("pageerror", lambda error: faults.append(f"a script failed: {error}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail or user name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def refresh_until_it_is_over(page: Page) -> None:
    """As people do without JavaScript: the link is there as long as there is more to come."""
    refresh = page.get_by_role("link", name="Refresh")

    def is_over() -> bool:
        page.wait_for_load_state()
        if refresh.count() == 0:
            return True
        refresh.click()
        return False

    wait_for(is_over, "there is nothing to refresh any longer")
