"""The admin's front page as an operator has it: moving by itself, accessible, narrow, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_pages import WCAG
from tests.browser.test_sign_in import STEPS
from tests.demo.running_demo import Demo
from tests.waiting import wait_for

NewPage = Callable[..., Page]
A_MINUTE = 60_000


@pytest.fixture
def operator(new_page: NewPage) -> Page:
    page = new_page()
    sign_in(page, "admin")
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)
    return page


def roll_up(demo: Demo) -> None:
    """As beat has it done each minute."""
    told = demo.run_command("python", "manage.py", "shell", "-c", "from workflows import figures; figures.roll_up()")
    assert told.returncode == 0, told.stderr


def worked(page: Page) -> int:
    """Sign-ins of the past hour, by the table."""
    return sum(int(number) for number in page.locator("#sign-ins-rows td:nth-of-type(1)").all_text_contents())


def test_it_moves_by_itself_and_leaves_what_is_unfolded_and_focused(
    demo: Demo, operator: Page, new_page: NewPage
) -> None:
    roll_up(demo)
    operator.clock.install()
    operator.goto("/admin/?window=hour")
    before = worked(operator)
    assert before > 0
    picture = operator.locator("#sign-ins-picture").inner_html()
    summary = operator.locator("figure", has=operator.locator("#sign-ins-rows")).locator("summary")
    summary.click()
    expect(summary).to_be_focused()

    sign_in(bobs := new_page(), "bob")
    expect(bobs.locator(".step.is-succeeded")).to_have_count(STEPS)
    roll_up(demo)
    operator.clock.fast_forward(A_MINUTE)

    wait_for(lambda: worked(operator) > before, "the sign-in is counted on the page")
    assert operator.locator("#sign-ins-picture").inner_html() != picture
    expect(operator.locator("#sign-ins-rows")).to_be_visible()
    expect(summary).to_be_focused()


def test_it_stays_where_it_is_told_of_no_figures(operator: Page) -> None:
    operator.clock.install()
    operator.goto("/admin/")
    title = operator.title()
    operator.context.clear_cookies()
    with operator.expect_response(re.compile("/admin/login/")):
        operator.clock.fast_forward(A_MINUTE)

    expect(operator.locator("svg.chart")).to_have_count(6)
    assert operator.title() == title


@pytest.mark.parametrize("width", [1120, 320])
def test_it_is_accessible_and_does_not_scroll_sideways(demo: Demo, operator: Page, width: int) -> None:
    roll_up(demo)
    operator.set_viewport_size({"width": width, "height": 800})
    for scheme in ("light", "dark"):
        operator.emulate_media(color_scheme=scheme)
        operator.goto("/admin/?window=hour")
        for summary in operator.locator("#site-dashboard summary").all():
            summary.click()
        expect(operator.locator("#sign-ins-rows")).to_be_visible()
        found = Axe().run(operator, context="#site-dashboard", options=WCAG).response["violations"]
        assert [f"{fault['id']}: {node['html'][:120]}" for fault in found for node in fault["nodes"]] == []
        assert operator.evaluate("document.documentElement.scrollWidth") <= width


def test_another_window_is_a_link_without_javascript(new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "admin")
    page.goto("/admin/")
    page.get_by_role("navigation", name="Window").get_by_role("link", name="Week").click()
    expect(page.get_by_role("heading", name="The last week")).to_be_visible()
    expect(page.locator("svg.chart")).to_have_count(6)
