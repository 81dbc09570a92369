"""The step of a workflow that mails a person, and what becomes of the mail where the mail server is away."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.conf import settings

from accounts import notices
from accounts.models import Notice, PasswordChange, SignIn
from workflows import attempts, ledger, mailing
from workflows.about import notices_of
from workflows.alerting.alerts import raise_alert
from workflows.breakers import Open
from workflows.ledger import Result, TryAgain
from workflows.models import Alert, Run, Step

# What each kind calls the step that mails.
STEP = "notify_user"
# Seconds after which a task that sends one mail is told to end, of the TIME_LIMIT that it may take: a mail server that
# is silent then is still asked to part, which takes up to another EMAIL_TIMEOUT.
SOFT_TIME_LIMIT = 18
TIME_LIMIT = 30
# A mail server gets these seconds at most to come back before the mail is handed over; a run must not wait longer. One
# that is known to be away (mailing.py) gets none: a process that waits for it does nobody's next step.
NOTICE_DELAYS: tuple[float, ...] = (5.0, 20.0)


def notify(
    run_id: UUID,
    name: str,
    about: Callable[[Step], SignIn | PasswordChange],
    without: Callable[[Step], Result | None] = lambda step: None,
) -> Result:
    """Mail the person what the step is ``about``, unless that has happened before.

    Returns notice: sent, handed_over, not_made or refused, and its id.

    Or what ``without(step)`` returns, where no mail is needed. One that could not be made is handed over as well, and
    the operators are told. Raises TryAgain while the mail server is away, for as long as that is news.
    """
    act = partial(_send, about)
    return ledger.outside(run_id, name, act, without=without, note=_note, lease=ledger.LEASE)


def give_up(run_id: UUID, why: str) -> None:
    """Where the notice of the run has not gone out, it will not by itself."""
    run = Run.objects.get(pk=run_id)
    for notice in notices_of(run).filter(state__in=(Notice.State.CLAIMED, Notice.State.HANDED_OVER)):
        notices.give_up(notice, why)


def give_up_after_failure(run_id: UUID, name: str) -> None:
    """The step ``name`` has failed for good, and so has its notice."""
    give_up(run_id, Step.objects.get(run=run_id, name=name).error)


def _send(about: Callable[[Step], SignIn | PasswordChange], step: Step) -> Result:
    notice = notices.claim_notice(about(step), message_id=f"<{step.task_id}@{settings.SITE_HOST}>")
    if notice.state == Notice.State.SENT:
        return {"notice": "sent", "id": notice.pk}
    if notice.state == Notice.State.HANDED_OVER:
        return {"notice": "handed_over", "id": notice.pk, "error": notice.last_error}
    attempt = attempts.number_anew(step)
    if attempt > len(NOTICE_DELAYS) + 1:
        return {"notice": "handed_over", "id": notice.pk, "error": "each attempt was cut off"}
    return _attempt(notice, attempt)


def _attempt(notice: Notice, number: int) -> Result:
    try:
        mailing.send(notice)
    except Open as known:
        return {"notice": "handed_over", "id": notice.pk, "error": str(known)}
    except notices.MailNotMade as error:
        return {"notice": "not_made", "id": notice.pk, "error": str(error)}
    except notices.MailRefused as error:
        return {"notice": "refused", "id": notice.pk, "error": str(error)}
    except notices.MailServerAway as error:
        if number <= len(NOTICE_DELAYS):
            longest = NOTICE_DELAYS[number - 1]
            raise TryAgain(str(error), random.uniform(longest / 2, longest)) from error  # noqa: S311  spreads load
        return {"notice": "handed_over", "id": notice.pk, "error": str(error)}
    return {"notice": "sent", "id": notice.pk}


def _note(step: Step, result: Result) -> None:
    notice = Notice.objects.get(pk=result["id"])
    match result["notice"]:
        case "sent" if notice.state != Notice.State.SENT:
            notices.mark_sent(notice)
            mailing.note_sent()
        case "handed_over":
            notices.hand_over(notice, result["error"])
        case "not_made":
            notices.hand_over(notice, result["error"])
            raise_alert(Alert.Kind.NOTICE_NOT_MADE, f"{step.name}: {result['error']}", step.run_id)
        case "refused":
            notices.give_up(notice, result["error"])
