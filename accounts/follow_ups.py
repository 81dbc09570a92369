"""A sign-in of high risk that nobody answers for: its person is told in any case, and asked again after a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import notices
from accounts.models import Notice, SignIn

# A day: long enough to have looked at one's mail, and an intruder has not settled in.
FOLLOW_UP_AFTER = timedelta(hours=24)

_OPEN = Exists(SignIn.objects.filter(pk=OuterRef("sign_in"), answer=""))


def ask_about(sign_in: SignIn, message_id: str) -> None:
    """Have the person of this sign-in of high risk told, where no notice tells them, and asked again in a day.

    A notice that is made here, or that was given up, is left to the deliveries. Call it inside a transaction.
    """
    now = timezone.now()
    notice, _ = Notice.objects.get_or_create(
        sign_in=sign_in,
        defaults={"message_id": message_id, "state": Notice.State.HANDED_OVER, "next_attempt_at": now},
    )
    if notice.state == Notice.State.GIVEN_UP:
        notices.begin_anew(notice, Notice.State.HANDED_OVER, next_attempt_at=now)
    _unanswered(notice.pk).update(follow_up_at=now + FOLLOW_UP_AFTER)


def due_before(moment: datetime, most: int) -> list[Notice]:
    """Notices that are to be followed up before ``moment``, the first of them.

    One that was answered while that was decided still has its time, and no more.
    """
    due = Notice.objects.filter(_OPEN, follow_up_at__lt=moment, followed_up_at=None).order_by("follow_up_at")
    return list(due.only("follow_up_at")[:most])


def claim(notice_id: int) -> Notice | None:
    """The second mail about an unanswered sign-in, handed over and due at once.

    None where it was answered for by now, or was followed up. Call it inside a transaction.
    """
    now = timezone.now()
    if not _unanswered(notice_id).filter(follow_up_at__isnull=False).update(followed_up_at=now):
        return None
    first = Notice.objects.select_related("sign_in__user").get(pk=notice_id)
    return Notice.objects.create(
        follow_up_of=first,
        # It follows from the first one's: every attempt at it is the same mail to a mail program.
        message_id=first.message_id.replace("@", ".follow_up@", 1),
        state=Notice.State.HANDED_OVER,
        next_attempt_at=now,
    )


def _unanswered(notice_id: int) -> QuerySet[Notice]:
    """That notice, unless it was answered or followed up.

    Without a join, for which Django would ask for ids alone in an update: of two at once both would get it.
    """
    return Notice.objects.filter(_OPEN, pk=notice_id, followed_up_at=None)
