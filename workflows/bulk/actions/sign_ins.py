"""What can be done to many sign-ins, those that are selected or those of the people who are."""

from __future__ import annotations

from operator import attrgetter

from accounts import retention
from accounts.models import SignIn
from workflows.bulk.registry import Action, Did, RowFailed, Work, register
from workflows.models import Run


def anonymise(sign_in: SignIn, work: Work) -> Did:
    """Forget it now, as retention would once it is old, and end its session; its workflow has to have ended."""
    # Locked in the order of retention: a run that has failed may be reopened at this very moment.
    locked = SignIn.objects.select_for_update(of=("self",)).filter(pk=sign_in.pk, emptied_at=None)
    if not locked.values_list("pk", flat=True):
        return Did.SKIPPED
    runs = Run.objects.select_for_update().filter(sign_in=sign_in)
    if any(state in Run.UNFINISHED for state in runs.values_list("state", flat=True)):
        raise RowFailed("Its workflow has not ended.")
    retention.delete(Run.objects.filter(sign_in=sign_in))
    retention.forget([sign_in.pk])
    return Did.DONE


FORGOTTEN = (
    "address, place, browser, session, notice, verdict, their lines of the security log, and their runs. Devices stay "
    "known. Who is still signed in by one of them is signed out."
)

register(
    Action(
        name="anonymise",
        title="anonymise",
        model=SignIn,
        permission="bulk_anonymise",
        do=anonymise,
        explains=f"What is known of these sign-ins is deleted for good: {FORGOTTEN}",
        destroys=True,
        subject=attrgetter("user_id"),
    )
)
register(
    Action(
        name="anonymise_people",
        title="anonymise all their sign-ins",
        model=SignIn,
        through="user",
        permission="bulk_anonymise",
        do=anonymise,
        explains=(
            f"What is known of all sign-ins of these people is deleted for good: {FORGOTTEN} The accounts stay. The "
            "rows of the job are the sign-ins."
        ),
        destroys=True,
        subject=attrgetter("user_id"),
    )
)
