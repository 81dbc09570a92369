"""A bulk job from the admin's list to its mail: select all, dry run, start, progress, stop, go on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import refresh_until_it_is_over, sign_in
from tests.browser.test_pages import WCAG
from tests.demo.running_demo import Demo
from tests.servers import CHECKOUT

NewPage = Callable[..., Page]
# So many that the job is still running when it is stopped.
PEOPLE = 25_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("bulk") / "var") as demo:
        manage(demo, "simulate", "--users", str(PEOPLE), "--days", "1", "-v", "0")
        yield demo


def manage(demo: Demo, *arguments: str, **settings: str) -> None:
    """Without ENV_FILE a command joins the demo that runs."""
    env = {name: value for name, value in demo.environment().items() if name != "ENV_FILE"} | settings
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=CHECKOUT, env=env, check=True)  # noqa: S603  our own


@pytest.fixture
def operator(new_page: NewPage) -> Page:
    page = new_page()
    sign_in(page, "admin")
    expect(page.locator(".step.is-succeeded")).to_have_count(5)
    return page


def choose(page: Page, action: str) -> None:
    """Everybody who is no staff, as the admin offers "select all"."""
    page.goto("/admin/accounts/user/?is_staff__exact=0")
    page.get_by_role("checkbox", name="Select all objects on this page for an action").check()
    page.locator(".actions .question a").first.click()
    page.get_by_label("Action:").select_option(f"Bulk job: {action}")
    page.locator(".actions button[name=index]").click()


def test_a_job_is_tried_started_stopped_gone_on_with_and_told_by_mail(operator: Page) -> None:
    choose(operator, "forget their devices")
    expect(operator.locator("#content")).to_contain_text(re.compile(r"[\d,]+ users are selected: all that the list"))
    operator.get_by_role("button", name="Dry run").click()
    panel = operator.locator("#bulk-panel")
    expect(panel).to_contain_text("a dry run, which changes nothing")
    # It moves by itself.
    expect(panel).to_contain_text("Finished", timeout=120_000)
    operator.get_by_role("button", name="Start it for real").click()

    expect(panel.get_by_role("heading")).to_have_text("Running", timeout=60_000)
    operator.get_by_role("button", name="Stop").click()
    expect(panel.get_by_role("heading")).to_have_text("Stopped")
    value = int(operator.locator("progress").get_attribute("value") or "")
    assert value < PEOPLE
    operator.get_by_role("button", name="Go on").click()
    expect(panel.get_by_role("heading")).to_have_text("Finished", timeout=120_000)
    expect(panel).to_contain_text("(100 %)")

    operator.goto("/demo/mail/")
    expect(operator.get_by_role("link", name=re.compile("Forget their devices: .* done"))).to_have_count(2)


def test_the_focus_stays_on_a_button_while_the_page_asks_how_far_the_job_is(demo: Demo, operator: Page) -> None:
    manage(demo, "createsuperuser", "--noinput", "--username=eve", "--email=eve@example.com")
    start = ("bulk", "start", "forget_devices", "--by=eve", "--query=is_staff__exact=0")
    manage(demo, *start, BULK_APPROVAL="true")
    operator.goto("/admin/workflows/bulkjob/?state__exact=waiting")
    operator.locator("#result_list tbody a").first.click()
    for button in ("Decline", "Approve"):
        assert_keeps_the_focus(operator, button)
    operator.keyboard.press("Enter")

    panel = operator.locator("#bulk-panel")
    expect(panel.get_by_role("heading")).to_have_text("Running", timeout=60_000)
    assert_keeps_the_focus(operator, "Stop")
    operator.keyboard.press("Enter")
    expect(panel.get_by_role("heading")).to_have_text("Stopped")


def assert_keeps_the_focus(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name)
    button.focus()
    for _ in range(2):
        with page.expect_response("**/panel/**"):
            pass
    # The next is asked for a second after what came last has been put into the page.
    with page.expect_request("**/panel/**"):
        pass
    expect(button).to_be_focused()


def test_the_pages_of_jobs_are_accessible_and_narrow(operator: Page) -> None:
    operator.set_viewport_size({"width": 320, "height": 640})
    for scheme in ("light", "dark"):
        operator.emulate_media(color_scheme=scheme)
        choose(operator, "send a security notice")
        operator.get_by_label("Subject").fill("Hello {username}")
        operator.get_by_label("Text").fill("Dear {first_name}, " + "look at this. " * 30)
        operator.get_by_role("button", name="Preview").click()
        expect(operator.locator(".bulk-preview")).to_contain_text("Subject: Hello ")
        assert own_faults(operator) == []
        operator.goto("/admin/workflows/bulkjob/")
        operator.locator("#result_list tbody a").first.click()
        expect(operator.locator("#bulk-panel")).to_be_visible()
        assert own_faults(operator) == []


def own_faults(page: Page) -> list[str]:
    """Of what is in the page; the frame around it is Django's."""
    assert page.evaluate("document.querySelector('#content').scrollWidth") <= 320
    found = Axe().run(page, context="#content", options=WCAG).response["violations"]
    return [f"{fault['id']}: {node['html'][:120]}" for fault in found for node in fault["nodes"]]


def test_a_job_is_started_and_watched_without_javascript(new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "admin")
    page.goto("/admin/accounts/user/?q=alice")
    page.locator(".action-select").first.check()
    page.get_by_label("Action:").select_option("Bulk job: export as CSV")
    page.locator(".actions button[name=index]").click()
    expect(page.locator("#content")).to_contain_text("1 user is selected")
    page.get_by_role("button", name="Yes, start the job").click()
    refresh_until_it_is_over(page)
    expect(page.locator("#bulk-state")).to_have_text("Finished")
    link = page.get_by_role("link", name="Download the file").get_attribute("href")
    assert link
    assert "alice" in page.request.get(link).text()
