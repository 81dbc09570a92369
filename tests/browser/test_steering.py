"""An operator has a run go on that failed while the risk service was of no use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import refresh_until_it_is_over, sign_in
from tests.browser.test_pages import faults
from tests.browser.test_sign_in import ANOTHER_BROWSER, STEPS
from tests.demo.running_demo import Demo
from tests.workflows.risk_service import Answer, RiskService, risk_service

NewPage = Callable[..., Page]
ONCE = {"check_device": 1, "notify_user": 1, "save_event": 1, "post_to_risk_api": 1, "post_process": 1}


class DemoOfOurs(Demo):
    """It asks a risk service of ours, which says what the test wants."""

    risk: RiskService

    def environment(self) -> dict[str, str]:
        return super().environment() | {"RISK_API_URL": self.risk.url, "RISK_API_BUDGET": "5"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = DemoOfOurs(tmp_path_factory.mktemp("steering") / "var")
    with risk_service() as demo.risk, demo:
        yield demo


@pytest.fixture
def risk(demo: DemoOfOurs) -> RiskService:
    return demo.risk


@pytest.fixture
def operator(new_page: NewPage, risk: RiskService) -> Page:
    risk.answer = Answer()
    page = new_page()
    sign_in(page, "admin")
    expect(page.locator(".step.is-succeeded")).to_have_count(STEPS)
    return page


@pytest.fixture
def failed(operator: Page, new_page: NewPage, risk: RiskService) -> str:
    """The address of a run of bob's that is seen failing at the risk service, after its mail went out."""
    sign_in(first := new_page(), "bob")
    expect(first.locator(".step.is-succeeded")).to_have_count(STEPS)
    risk.answer = Answer(status=422, body=b"the version is wrong")
    return seen_failing(new_page)


def seen_failing(new_page: NewPage) -> str:
    sign_in(page := new_page(user_agent=ANOTHER_BROWSER), "bob")
    expect(page.locator("#run-panel")).to_contain_text("failed", timeout=60_000)
    expect(page.locator(".step.is-failed")).to_contain_text("Ask the risk service")
    page.get_by_role("link", name="More about this run").click()
    # Whom it is about may see it, and nothing else.
    expect(page.get_by_role("link", name="Resume the run")).to_have_count(0)
    return page.url


def test_a_run_that_failed_is_resumed_and_finishes_and_no_step_is_done_twice(
    operator: Page, failed: str, risk: RiskService
) -> None:
    run_id = re.findall(r"[0-9a-f-]{36}", failed)[0]
    operator.goto(failed)
    expect(operator.locator("#run-panel")).to_contain_text("422: the version is wrong")

    risk.answer = Answer()
    operator.get_by_role("link", name="Resume the run").click()
    expect(operator.get_by_role("heading", name="Resume this run?")).to_be_visible()
    expect(operator.locator("main")).to_contain_text(run_id)
    operator.get_by_role("button", name="Resume the run").click()

    expect(operator).to_have_url(failed)
    expect(operator.locator(".messages")).to_contain_text("The run goes on from what failed.")
    expect(operator.locator("#run-panel")).to_contain_text(f"{STEPS} of {STEPS} steps done")
    expect(operator.locator("#run-panel")).to_contain_text("succeeded")
    run = operator.request.get(failed.rstrip("/") + ".json").json()
    assert {step["name"]: step["attempts"] for step in run["steps"]} == ONCE | {"post_to_risk_api": 2}
    asked = [headers["Idempotency-Key"] for headers, _ in risk.requests]
    assert asked.count(f"{run_id}.post_to_risk_api") == 2, "once it refused, once it answered"
    operator.goto("/demo/mail/")
    expect(operator.get_by_role("link", name=re.compile("New sign-in to your account: Safari"))).to_have_count(1)
    operator.goto("/admin/accounts/securityevent/?kind__exact=signed_in")
    expect(operator.locator(".field-user", has_text="bob")).to_have_count(2)
    operator.goto("/admin/accounts/securityevent/?kind__exact=run_steered")
    expect(operator.locator(".field-operator")).to_have_text("admin")


def test_a_run_that_waited_for_a_service_that_was_away_too_long_is_resumed_when_it_is_back(
    operator: Page, new_page: NewPage, risk: RiskService
) -> None:
    risk.answer = Answer(status=503, body=b"")
    failed = seen_failing(new_page)
    operator.goto(failed)
    expect(operator.locator("#run-panel")).to_contain_text("503")

    risk.answer = Answer()
    operator.get_by_role("link", name="Resume the run").click()
    operator.get_by_role("button", name="Resume the run").click()

    expect(operator.locator("#run-panel")).to_contain_text(f"{STEPS} of {STEPS} steps done", timeout=60_000)
    run = operator.request.get(failed.rstrip("/") + ".json").json()
    attempts = {step["name"]: step["attempts"] for step in run["steps"]}
    assert attempts.pop("post_to_risk_api") > 2, "as long as there was time for it, and once more"
    assert set(attempts.values()) == {1}


def test_the_pages_of_steering_are_accessible_and_narrow(operator: Page, failed: str) -> None:
    operator.set_viewport_size({"width": 320, "height": 640})
    for scheme in ("light", "dark"):
        operator.emulate_media(color_scheme=scheme)
        for address in (failed, f"{failed}cancel/", f"{failed}steps/post_to_risk_api/retry/"):
            operator.goto(address)
            assert faults(operator) == [], address
            assert operator.evaluate("document.documentElement.scrollWidth") <= 320, address


def test_a_step_is_skipped_without_javascript(new_page: NewPage, operator: Page, failed: str) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "admin")
    page.goto(failed)
    page.get_by_role("link", name="Skip: ask the risk service").click()
    page.get_by_role("button", name="Skip: ask the risk service").click()
    expect(page.locator(".messages")).to_contain_text("The step was skipped: ask the risk service.")

    refresh_until_it_is_over(page)
    expect(page.locator("#run-panel")).to_contain_text(f"{STEPS} of {STEPS} steps done")
    expect(page.locator("#run-panel")).to_contain_text("An operator had the run go on without it")
    expect(page.locator("#run-panel")).to_contain_text("Every step is done, except what an operator skipped.")
