"""A person signs in with a browser and sees what happens after it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import refresh_until_it_is_over, sign_in

NewPage = Callable[..., Page]
STEPS = 5
YET_ANOTHER_BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 "
    "Edg/142.0.0.0"
)
ANOTHER_BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Safari/605.1.15"
)


def test_the_page_is_back_and_the_steps_finish_by_themselves(new_page: NewPage) -> None:
    page = new_page()
    sign_in(page, "alice@example.com")

    expect(page).to_have_url(re.compile(r"/security/$"))
    succeeded = page.locator("#run-panel .step.is-succeeded")
    expect(succeeded).to_have_count(STEPS)
    expect(page.locator("#run-panel")).to_contain_text("succeeded")
    # It has stopped asking: what would ask again is not in the page any more.
    expect(page.locator("[hx-get]")).to_have_count(0)


def test_a_sign_in_from_another_browser_puts_a_notice_into_the_mailbox(new_page: NewPage) -> None:
    sign_in(first := new_page(), "bob")
    expect(first.locator(".step.is-succeeded")).to_have_count(STEPS)

    page = new_page(user_agent=ANOTHER_BROWSER)
    sign_in(page, "bob")
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)
    page.goto("/demo/mail/")
    page.get_by_role("link", name=re.compile("New sign-in to your account: Safari")).first.click()

    expect(page.get_by_text("Safari on Mac OS X").first).to_be_visible()
    expect(page.frame_locator("iframe").get_by_role("link", name="change your password")).to_be_visible()


def test_one_click_from_the_mail_throws_an_intruder_out_without_javascript(new_page: NewPage) -> None:
    sign_in(owner := new_page(), "bob")
    expect(owner.locator(".step.is-succeeded")).to_have_count(STEPS)
    sign_in(intruder := new_page(user_agent=YET_ANOTHER_BROWSER), "bob")
    expect(intruder.locator(".step.is-succeeded")).to_have_count(STEPS)

    page = new_page(java_script_enabled=False, color_scheme="dark", viewport={"width": 320, "height": 640})
    page.goto("/demo/mail/")
    page.get_by_role("link", name=re.compile("New sign-in to your account: Edge")).first.click()
    page.goto(page.locator("a", has_text="/not-mine/").get_attribute("href") or "")
    expect(page.get_by_role("heading", name="Was this you?")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="It was not me").click()

    expect(page).to_have_url(re.compile("/accounts/password/reset/$"))
    expect(page.get_by_role("status")).to_contain_text("That browser is signed out")
    intruder.reload()
    expect(intruder).to_have_url(re.compile("/accounts/login/"))
    owner.reload()
    expect(owner).to_have_url(re.compile("/security/"))


def test_another_device_is_signed_out_and_forgotten_without_javascript(new_page: NewPage) -> None:
    sign_in(other := new_page(user_agent=ANOTHER_BROWSER), "alice")
    expect(other.locator(".step.is-succeeded")).to_have_count(STEPS)
    page = new_page(java_script_enabled=False)
    sign_in(page, "alice")
    page.get_by_role("navigation").get_by_role("link", name="Devices").click()
    device = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Safari on Mac OS X"))
    expect(device).to_contain_text("trusted")

    device.get_by_role("button", name="Sign out and forget Safari on Mac OS X").click()

    expect(page.get_by_role("status")).to_contain_text("Safari on Mac OS X is signed out and forgotten.")
    row = page.locator("#devices").get_by_role("row").filter(has_text="Safari on Mac OS X")
    expect(row).to_contain_text("not trusted")
    other.reload()
    expect(other).to_have_url(re.compile("/accounts/login/"))


def test_everything_is_there_without_javascript(new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "alice")

    refresh_until_it_is_over(page)
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)

    page.locator("a[href^='/runs/']").first.click()
    page.locator("svg.graph:visible").get_by_role("link", name=re.compile("^Save the event")).click()
    expect(page.get_by_role("heading", name="Save the event")).to_be_visible()
    expect(page.locator("svg.timeline-bars")).to_have_count(STEPS)
    page.get_by_text("All times, one by one").click()
    expect(page.locator("#run-times")).to_contain_text("Attempt 1, done")


def test_a_wrong_password_and_an_unknown_user_get_the_same_clear_answer(new_page: NewPage) -> None:
    page = new_page()
    for name in ("alice@example.com", "nobody@example.com"):
        sign_in(page, name, password="not-the-password")
        expect(page.get_by_text(re.compile("not correct"))).to_be_visible()
        expect(page).to_have_url(re.compile(r"/accounts/login/"))


def test_the_run_has_a_page_and_json_of_its_own(new_page: NewPage) -> None:
    page = new_page()
    sign_in(page, "alice")
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)

    page.locator("a[href^='/runs/']").first.click()
    expect(page.locator("svg.graph:visible .node.is-succeeded")).to_have_count(STEPS)
    expect(page.locator("#run-poll")).not_to_have_attribute("hx-get", re.compile("."))
    run = page.request.get(page.url.rstrip("/") + ".json").json()

    assert [step["state"] for step in run["steps"]] == ["succeeded"] * STEPS


def test_another_persons_run_is_not_there(new_page: NewPage) -> None:
    sign_in(alices := new_page(), "alice")
    alices.locator("a[href^='/runs/']").first.click()
    bobs = new_page()
    sign_in(bobs, "bob")

    assert bobs.request.get(alices.url).status == 404
    assert bobs.request.get(alices.url.rstrip("/") + ".json").status == 404


def test_signing_in_through_the_admin_is_watched_too(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/admin/")
    page.locator("#id_username").fill("admin@example.com")
    page.locator("#id_password").fill("loginwatch-demo")
    page.locator("[type=submit]").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))

    page.goto("/security/")
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)
