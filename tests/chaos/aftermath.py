"""Sign-ins as a trial leaves them behind: rows in the test database, the risk service's own store, accepted mails."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from accounts import devices, notices, security_log, verdicts
from accounts.models import SecurityEvent, SignIn, User
from loginwatch.chaos.audit import Audit, audit
from loginwatch.chaos.evidence import gather
from loginwatch.chaos.mail import Mail
from loginwatch.chaos.visitors import Attempt, Visit
from riskapi.store import Made, Question, Store
from tests.workflows.conftest import FIREFOX, SAFARI
from workflows.models import Run
from workflows.runs import create_run

ALLOW = {"score": 0, "level": "low", "decision": "allow", "reasons": []}
DENY = {"score": 75, "level": "high", "decision": "deny", "reasons": []}


class Aftermath:
    """``first`` is an allowed sign-in with nothing to be mailed, ``second`` is denied and told to its person."""

    def __init__(self, user: User, folder: Path, *, plain: bool = False) -> None:
        self.user = user
        self.plain = plain
        self.risk_store = folder / "risk.sqlite3"
        self.store = Store(self.risk_store)
        self.mails: list[Mail] = []
        self.visits: list[Visit] = []
        self.first = self.sign_in("198.18.0.1", FIREFOX, ALLOW)
        self.second = self.sign_in("198.18.1.1", SAFARI, DENY)

    def close(self) -> None:
        self.store.close()

    def audit(self) -> Audit:
        return audit(gather("default", self.mails, self.risk_store, plain=self.plain), self.visits)

    def sign_in(self, address: str, user_agent: str, answer: dict[str, object]) -> SignIn:
        """One that was answered, and all that follows from it, each by the function that does it in the site."""
        session = SessionStore()
        session.save()
        sign_in = SignIn.objects.create(
            user=self.user,
            ip_address=address,
            user_agent=user_agent,
            session_key=session.session_key or "",
            issued_token=secrets.token_hex(32),
        )
        self.visits.append(answered(self.user.username, address))
        if not self.plain:
            create_run(sign_in)
        sign_in = devices.recognise_device(sign_in)
        security_log.record_event(sign_in, SecurityEvent.Kind.SIGNED_IN, {})
        if notices.is_worth_a_notice(sign_in):
            self.receive(self.message_id(sign_in))
        assessment = self.assess(f"{self.trace(sign_in)}.post_to_risk_api", answer)
        verdicts.act_on_assessment(sign_in, assessment)
        Run.objects.filter(sign_in=sign_in).update(state=Run.State.SUCCEEDED, finished_at=timezone.now())
        return sign_in

    def trace(self, sign_in: SignIn) -> str:
        return str(sign_in.pk if self.plain else sign_in.run.pk)

    def message_id(self, sign_in: SignIn) -> str:
        return f"<{self.trace(sign_in)}.notify_user@testserver>"

    def receive(self, message_id: str, recipient: str | None = None) -> None:
        self.mails.append(Mail(message_id, recipient or self.user.email, time.time()))

    def assess(self, key: str, answer: dict[str, object]) -> dict[str, object]:
        assessment = {"id": secrets.token_hex(8), **answer}
        question = Question(key=key, fingerprint="", subject=str(self.user.uuid), network=None, country=None)
        self.store.answer_once(question, lambda _: Made(body=json.dumps(assessment), learn=False, at=""))
        return assessment

    def forget_assessment(self, sign_in: SignIn) -> None:
        with closing(sqlite3.connect(self.risk_store)) as store, store:
            store.execute("DELETE FROM answer WHERE key = ?", (f"{self.trace(sign_in)}.post_to_risk_api",))


def answered(user: str, address: str) -> Visit:
    return Visit(user, address, [Attempt("sign_in", time.time(), 0.1, 302)])
