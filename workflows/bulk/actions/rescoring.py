"""Asking the risk service again about sign-ins that have their verdict."""

from __future__ import annotations

import time
from operator import attrgetter

from django.conf import settings

from accounts import verdicts
from accounts.models import SignIn
from workflows import steps
from workflows.breakers import LONGEST_ASKED, Call, Open
from workflows.bulk.lanes import LANES
from workflows.bulk.registry import Action, Did, Rest, RowFailed, Work, register
from workflows.risk import asking, risk_api

# Of what RISK_API_RATE allows one worker; it comes on top of what those ask who sign in.
SHARE = 0.5
# Seconds for which a process may be held only to keep to that.
LONGEST_WAIT = 0.4
# Seconds until a service is asked again that gave no answer; where many such come in a row, the breaker says when.
AWAY = 5.0


def rescore(sign_in: SignIn, work: Work) -> Did:
    """With a key of job and sign-in: asked again after a kill, the service says the same; another job asks anew."""
    if sign_in.emptied_at:
        return Did.SKIPPED
    if not hasattr(sign_in, "verdict"):
        raise RowFailed("It has no verdict to replace. Its run gets it one: wait for it, resume it, or run it again.")
    failures = steps.recent_failures(sign_in.run)
    _keep_to_the_rate(work)
    call = Call(risk_api.host())
    try:
        call.begin()
        assessment = asking.ask(call, sign_in, failures, key=f"bulk.{work.job.pk}.{sign_in.pk}")
    except Open as left_alone:
        raise Rest(f"{left_alone}.", left_alone.delay) from left_alone
    except risk_api.RiskApiRefused as refusal:
        raise RowFailed(str(refusal)) from refusal
    except risk_api.RiskApiAway as error:
        seconds = max(AWAY, min(error.retry_after or 0.0, LONGEST_ASKED))
        raise Rest(str(error), seconds, tried=error.is_fault) from error
    return Did.DONE if verdicts.replace(sign_in, assessment) else Did.SKIPPED


def _keep_to_the_rate(work: Work) -> None:
    """Raises Rest where that takes longer than a process may be held for."""
    between = LANES / (SHARE * settings.RISK_API_RATE)
    wait = work.asked_at + between - time.monotonic() if work.asked_at else 0.0
    if wait > LONGEST_WAIT:
        raise Rest("The risk service is asked as often as RISK_API_RATE allows.", wait)
    time.sleep(max(wait, 0.0))
    work.asked_at = time.monotonic()


register(
    Action(
        name="rescore",
        title="re-score with the risk service",
        model=SignIn,
        permission="bulk_rescore",
        do=rescore,
        explains=(
            "The risk service is asked again about each of these sign-ins, and what it says by now becomes the "
            "verdict; the earlier one is kept beside it. What it is against is flagged. Nothing else is "
            "done: nobody is signed out, no device loses its trust, and no mail goes out."
        ),
        outside=True,
        subject=attrgetter("user_id"),
        related=("user", "verdict", "run"),
    )
)
