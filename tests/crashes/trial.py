"""Runs that are brought to the windows in which a process is to die: a sign-in each, by a person of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from accounts.models import Device, Notice, SignIn, User
from tests.accounts.mail_server import OK, MailServer
from tests.conftest import PASSWORD
from tests.crashes import plans
from tests.crashes.outcome import Outcome, outcome_of
from tests.crashes.patience import TOLD_WITHIN
from tests.crashes.windows import Start, Window
from tests.workflows.conftest import FIREFOX
from tests.workflows.risk_service import DENY, Answer, RiskService
from workflows import publishing
from workflows.models import Run
from workflows.runs import create_run


@dataclass(frozen=True)
class Trial:
    """``folder``: of the plans."""

    folder: Path
    mail: MailServer
    risk: RiskService
    password_hash: str

    def begin(self, window: Window, whom: str = plans.PROCESS) -> Run:
        """A run that will come to ``window``, where somebody dies."""
        run = self.make_run(self.make_person())
        for each in (*window.after, window):
            plans.plan(self.folder, run.pk, each.step, each.point, whom)
        if window.after:
            # Celery tells nobody of a killed process whose task another has done by then, for recovery.
            Run.objects.filter(pk=run.pk).update(recover_at=timezone.now() + TOLD_WITHIN)
        if window.start is Start.UNPUBLISHED:
            Run.objects.filter(pk=run.pk).update(recover_at=timezone.now())
        else:
            publishing.publish(run)
        return run

    def make_person(self) -> User:
        """Who has a device already, so that a new one is worth a notice."""
        name = f"person{User.objects.count() + 1}"
        user = User.objects.create(username=name, email=f"{name}@example.com", password=self.password_hash)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        now = timezone.now()
        Device.objects.create(user=user, browser="Safari", os="iOS", first_seen_at=now, last_seen_at=now)
        return user

    def servers_are_away(self) -> None:
        self.mail.answers["MAIL"] = "451 later"
        self.risk.answer = Answer(status=503)

    def servers_are_back(self) -> None:
        self.mail.answers["MAIL"] = OK
        self.risk.will_say(DENY)

    def has_died(self, run: Run) -> bool:
        """Whether each process that was to die for this run has."""
        return not any(self.folder.glob(f"{run.pk} *"))

    def has_ended(self, run: Run) -> bool:
        return self.has_died(run) and self.is_over(run)

    def is_over(self, run: Run) -> bool:
        """Degraded is no end: its mail has still to go out."""
        unfinished = (*Run.UNFINISHED, Run.State.DEGRADED)
        return not Run.objects.filter(pk=run.pk, state__in=unfinished).exists()

    def has_been_handed_over(self, run: Run) -> bool:
        return Notice.objects.filter(sign_in__run=run, state=Notice.State.HANDED_OVER).exists()

    def outcome(self, run: Run) -> Outcome:
        return outcome_of(run, self.mail.received, self.risk.requests)

    def make_run(self, user: User) -> Run:
        session = SessionStore()
        session.create()
        sign_in = SignIn.objects.create(
            user=user,
            ip_address="192.0.2.7",
            user_agent=FIREFOX,
            issued_token=f"{user.username:0>64}",
            session_key=session.session_key or "",
        )
        return create_run(sign_in)


def sign_in_and_crash(trial: Trial, site_url: str, window: Window) -> User:
    """Sign a person in at a web process that dies in ``window``."""
    user = trial.make_person()
    with httpx.Client(base_url=site_url, headers={"User-Agent": FIREFOX}, timeout=30) as browser:
        form = browser.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token, form
        fields = {"csrfmiddlewaretoken": token[1], "login": user.username, "password": PASSWORD}
        plan = plans.plan(trial.folder, plans.ANY_RUN, window.step, window.point)
        with pytest.raises(httpx.TransportError):
            browser.post("/accounts/login/", data=fields)
    assert not plan.exists()
    return user
