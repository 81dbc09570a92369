"""What every page is to everybody: accessible, narrow, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import sign_in
from tests.demo.running_demo import Demo

NewPage = Callable[..., Page]
Scheme = Literal["light", "dark"]

FOR_ALL = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/demo/mail/", "/nothing-here/"]
FOR_THE_SIGNED_IN = ["/security/", "/devices/", "/accounts/password/change/", "/accounts/email/", "/accounts/logout/"]
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(params=["light", "dark"])
def signed_in(request: pytest.FixtureRequest, new_page: NewPage) -> Page:
    page = new_page(color_scheme=request.param)
    sign_in(page, "alice")
    expect(page.locator(".step.is-succeeded")).to_have_count(5)
    return page


def faults(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{fault['id']}: {fault['help']}: {node['html'][:120]}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_for_all_are_accessible(new_page: NewPage, scheme: Scheme) -> None:
    page = new_page(color_scheme=scheme)
    for path in FOR_ALL:
        page.goto(path)
        assert faults(page) == [], path


def test_pages_for_the_signed_in_are_accessible(signed_in: Page) -> None:
    run = run_path(signed_in)
    for path in [*FOR_THE_SIGNED_IN, run, f"{run}?step=notify_user"]:
        signed_in.goto(path)
        assert faults(signed_in) == [], path


def test_no_page_scrolls_sideways_on_a_phone(new_page: NewPage) -> None:
    page = new_page(viewport={"width": 320, "height": 640})
    sign_in(page, "alice")
    for path in ["/security/", run_path(page), *FOR_THE_SIGNED_IN, *FOR_ALL]:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_page_that_cannot_ask_says_so_until_it_can(demo: Demo, chromium: Browser) -> None:
    # Not new_page: what fails here is an error in the console, and is wanted.
    with chromium.new_context(base_url=demo.url) as context:
        page = context.new_page()
        page.route("**/panel/**", lambda route: route.abort())
        sign_in(page, "alice")
        run = page.get_by_role("link", name="More about this run").get_attribute("href")
        ask_as_if_behind(page, f"{run}panel/?seen=x&was=queued&every=1&beside=row")
        connection = page.locator("#connection")
        expect(connection).to_have_text("No connection; trying again.")
        page.unroute("**/panel/**")
        expect(page.locator(".step.is-succeeded")).to_have_count(5)
        expect(connection).to_be_empty()
        row = page.locator("#sign-ins .is-current")
        expect(row).to_contain_text("succeeded")
        expect(page.locator("#run-announcement")).to_contain_text("The run has ended: succeeded.")


def test_the_focus_stays_in_the_row_that_is_replaced(new_page: NewPage) -> None:
    page = new_page()
    held = [True]
    page.route("**/panel/**", lambda route: route.fulfill(status=204) if held[0] else route.continue_())
    sign_in(page, "alice")
    link = page.locator("#sign-ins .is-current a")
    link.focus()
    held[0] = False
    expect(page.locator(".step.is-succeeded")).to_have_count(5)
    expect(link).to_be_focused()


@pytest.mark.parametrize(("width", "drawing"), [(1120, "wide"), (320, "tall")])
def test_one_drawing_of_the_canvas_fits_and_its_steps_are_reached_by_the_keyboard(
    new_page: NewPage, width: int, drawing: str
) -> None:
    page = new_page(viewport={"width": width, "height": 800})
    sign_in(page, "alice")
    page.goto(run_path(page))
    drawings = page.locator("svg.graph:visible")
    expect(drawings).to_have_count(1)
    expect(drawings).to_have_class(f"graph graph-{drawing}")
    expect(drawings.get_by_role("link")).to_have_count(5)

    save = drawings.get_by_role("link", name=re.compile("^Save the event: "))
    save.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?step=save_event#step$"))
    expect(page.locator("#step")).to_have_text("Save the event")
    expect(page.locator("svg.graph:visible a[aria-current]")).to_have_count(1)


def test_what_is_unfolded_and_focused_stays_so_while_the_run_moves(new_page: NewPage) -> None:
    page = new_page()
    held = [True]
    page.route("**/panel/**", lambda route: route.fulfill(status=204) if held[0] else route.continue_())
    sign_in(page, "alice")
    page.goto(run_path(page) + "?step=save_event")
    title = page.title()
    page.locator(".times summary").click()
    node = page.locator("svg.graph:visible a[href*=notify_user]")
    node.focus()
    ask_as_if_behind(page, f"{urlsplit(page.url).path}panel/?of=page&step=save_event&seen=x&every=1")
    held[0] = False
    expect(page.locator("#run-poll")).not_to_have_attribute("hx-get", re.compile("."))
    expect(page.locator("svg.graph:visible .node.is-succeeded")).to_have_count(5)
    expect(page.locator("#step")).to_have_text("Save the event")
    expect(page.locator("#run-times")).to_be_visible()
    expect(node).to_be_focused()
    assert page.title() == title


def ask_as_if_behind(page: Page, address: str) -> None:
    """The run may have ended before the page was there: now it asks, and whatever it is answered is new to it."""
    page.locator("#run-poll").evaluate(
        "(poll, address) => { poll.outerHTML = `<div id='run-poll' hx-trigger='every 1s' hx-swap='outerHTML' "
        "hx-get='${address}'></div>`; htmx.process(document.getElementById('run-poll')) }",
        address,
    )


def run_path(page: Page) -> str:
    page.goto("/security/")
    href = page.locator("a[href^='/runs/']").first.get_attribute("href")
    assert href
    assert re.fullmatch(r"/runs/[0-9a-f-]{36}/", href)
    return href
