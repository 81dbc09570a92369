"""The plain canvas, which the site's own is compared with, works where nothing goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.core import mail
from pytest_django import Settings

from accounts.models import Notice, SecurityEvent, SignIn, User, Verdict
from loginwatch.chaos import plain
from tests.servers import CHECKOUT
from tests.workflows.conftest import FIREFOX, SAFARI
from tests.workflows.risk_service import DENY, RiskService, risk_service


@pytest.fixture
def risk() -> Iterator[RiskService]:
    with risk_service(urlsplit(os.environ["RISK_API_URL"]).port or 0) as service:
        service.will_say(DENY)
        yield service


@pytest.fixture
def sign_in(alice: User) -> SignIn:
    """From a second device, so that there is something to mail."""
    agents = ((FIREFOX, "1"), (SAFARI, "2"))
    return [SignIn.objects.create(user=alice, user_agent=agent, issued_token=token) for agent, token in agents][-1]


def run(sign_in: SignIn) -> None:
    plain.check_device(sign_in.pk)
    of_the_group = [plain.notify_user(sign_in.pk), plain.save_event(sign_in.pk)]
    plain.post_process(plain.post_to_risk_api(of_the_group, sign_in.pk), sign_in.pk)


def test_its_tasks_do_what_the_sites_steps_do_and_may_be_done_again(
    sign_in: SignIn, risk: RiskService, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    for _ in range(2):
        run(sign_in)

    sign_in.refresh_from_db()
    assert sign_in.device_status == SignIn.DeviceStatus.NEW
    assert Notice.objects.get().state == Notice.State.SENT
    assert [message.extra_headers["Message-ID"] for message in mail.outbox] == [
        f"<{sign_in.pk}.notify_user@testserver>"
    ]
    assert Verdict.objects.get().decision == "deny"
    assert sorted(SecurityEvent.objects.values_list("kind", flat=True)) == ["risk_flagged", "signed_in"]
    assert {headers["Idempotency-Key"] for headers, _ in risk.requests} == {f"{sign_in.pk}.post_to_risk_api"}


def test_its_processes_publish_it_and_not_the_sites_own() -> None:
    code = (
        "import django; django.setup()\n"
        "from accounts.signals import sign_in_recorded\n"
        "from loginwatch.startup import refuse_failing_checks\n"
        "refuse_failing_checks()\n"
        "print(*{found().__module__ for _, found, *_ in sign_in_recorded.receivers})\n"
    )
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "loginwatch.chaos.plain_settings"}

    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-c", code], cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "loginwatch.chaos.plain"
