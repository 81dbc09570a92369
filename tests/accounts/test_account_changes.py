"""Changes to an account: who has been signed in for a while types the password again."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.models import User
from tests.accounts.browser import signed_in


def test_an_old_session_has_to_give_the_password_before_it_changes_the_addresses(alice: User) -> None:
    browser = signed_in(alice)

    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        answer = browser.post("/accounts/email/", {"action_add": "", "email": "mallory@example.com"})

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert not EmailAddress.objects.filter(email="mallory@example.com").exists()
