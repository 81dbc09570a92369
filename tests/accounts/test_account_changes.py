"""Changes to an account: its owner is told, and who has been signed in for a while types the password again."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from accounts.models import User
from tests.accounts.browser import signed_in


@pytest.mark.django_db(transaction=True)
def test_another_primary_address_is_told_to_the_old_one(alice: User) -> None:
    browser = signed_in(alice)
    EmailAddress.objects.create(user=alice, email="alice2@example.com", verified=True, primary=False)

    browser.post("/accounts/email/", {"action_primary": "", "email": "alice2@example.com"})

    alice.refresh_from_db()
    assert alice.email == "alice2@example.com"
    assert "alice@example.com" in [recipient for message in mail.outbox for recipient in message.to]


def test_an_old_session_has_to_give_the_password_before_it_changes_the_addresses(alice: User) -> None:
    browser = signed_in(alice)

    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        answer = browser.post("/accounts/email/", {"action_add": "", "email": "mallory@example.com"})

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert not EmailAddress.objects.filter(email="mallory@example.com").exists()
