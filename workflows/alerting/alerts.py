"""What a person has to look at, and the mail that tells the operators of it: many at a time, each once.

When they are told is the matter of episodes.py.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator

from accounts.database import insist
from accounts.mail import give, site_host, write
from workflows.alerting import episodes
from workflows.alerting.episodes import Message
from workflows.models import Alert

logger = logging.getLogger(__name__)

# By which operators are told.
WAY = "mail"
# What is older is told no more: where mails have only now been set up, it is no news, and may be years of it. A mail
# server may be away for a long weekend.
TELL_WITHIN = timedelta(days=7)
# Those that a mail shows; it counts the others.
MOST_SHOWN = 20
# Characters that are kept of a text, and shown of it in a mail. The page of its run has the whole.
LONGEST_TEXT = 2_000
LONGEST_LINE = 300
PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")


class Wording(NamedTuple):
    """How a mail says "1 <one>" or "7 <many>", and what is to be done."""

    one: str
    many: str
    remedy: str

    def counted(self, number: int) -> str:
        return f"{number:,} {self.one if number == 1 else self.many}"


WORDINGS = {
    Alert.Kind.RUN_FAILED: Wording(
        "run failed",
        "runs failed",
        "A failed run waits for a person. Once its cause is mended, go on with it: python manage.py recover --failed",
    ),
    Alert.Kind.RUNS_STUCK: Wording(
        "time that runs took too long",
        "times that runs took too long",
        "Look whether workers are up, and whether each queue has one: python manage.py doctor",
    ),
    Alert.Kind.BREAKER_OPENED: Wording(
        "breaker opened",
        "breakers opened",
        "What did not answer is asked again by itself, and what waits for it goes on then. Look at that service.",
    ),
    Alert.Kind.DEAD_LETTER: Wording(
        "message was dropped",
        "messages were dropped",
        "No worker understands it. Look whether all run the same version, and who else sends to the broker.",
    ),
    Alert.Kind.UNANSWERED: Wording(
        "notice is unanswered",
        "notices are unanswered",
        "A sign-in of high risk was not answered for by its owner within a day. Look at it, and ask them another way.",
    ),
    Alert.Kind.NOTICE_NOT_MADE: Wording(
        "notice could not be made",
        "notices could not be made",
        "The error says what is wrong with a mail's template, or with what it shows. Once that is mended, what is not "
        "older than a day goes out by itself.",
    ),
}


def raise_alert(kind: Alert.Kind, text: str, run_id: UUID | None = None) -> None:
    """Note it and log it. Call it in the transaction that writes what it is about: there are both, or neither."""
    Alert.objects.create(kind=kind, text=text[:LONGEST_TEXT], run_id=run_id)
    logger.error("%s%s: %s", kind.label, f" ({run_id})" if run_id else "", headline(text))


def tell_operators() -> int:
    """Send one mail of all alerts of late that the operators were not told of; returns how many it tells of.

    That is 0 where nobody is to be told, within the pause of an episode, and where the mail did not go out:
    its alerts stay untold, and the next call tries again.
    """
    untold = Alert.objects.filter(told_at=None, created_at__gte=timezone.now() - TELL_WITHIN)
    message = episodes.claim(untold, WAY) if settings.OPERATOR_EMAILS else None
    if message is None:
        return 0
    number = len(message.alerts)
    try:
        _send(message)
    except OSError as error:  # an SMTPException is one
        logger.error("operators could not be told of %d alerts, and will be later: %s", number, error)
        return 0
    insist(lambda: episodes.note_taken(message, told_at=timezone.now()))
    return number


def headline(text: str) -> str:
    """The first line of an error, cut, and without passwords: a mail passes through many hands.

    What a database says after its first line are the values that it refused.
    """
    first = next(iter(text.strip().splitlines()), "")
    return Truncator(PASSWORD_IN_URL.sub("***", first)).chars(LONGEST_LINE)


def url_of(alert: Alert) -> str:
    """Of the page of its run; "" where it is of none."""
    return settings.SITE_URL + alert.run.get_absolute_url() if alert.run else ""


def newest_of(message: Message) -> QuerySet[Alert]:
    """Those that it shows, the newest first; it counts the others."""
    newest = Alert.objects.filter(pk__in=[alert.pk for alert in message.alerts[-MOST_SHOWN:]])
    return newest.select_related("run").order_by("-pk")


def _send(message: Message) -> None:
    """Raises OSError where the mail was not taken. Another attempt at the same alerts has the same Message-ID."""
    context = _context(message)
    mail = write(
        subject=render_to_string("workflows/alert_subject.txt", context),
        body=render_to_string("workflows/alert.txt", context),
        html=render_to_string("workflows/alert.html", context),
        to=settings.OPERATOR_EMAILS,
        message_id=f"<alerts.{message.id}@{settings.SITE_HOST}>",
    )
    give(mail)


def _context(message: Message) -> dict[str, Any]:
    return {
        "site_host": site_host(),
        "counts": _in_words(message.counts),
        "remedies": [wording.remedy for kind, wording in WORDINGS.items() if kind in message.counts],
        "number": len(message.alerts),
        "shown": [_shown(alert) for alert in newest_of(message)],
        "is_first": message.episode.messages == 1,
        "began_at": message.episode.began_at,
        "counts_of_all": _in_words(message.episode.counts),
        "alerts_url": settings.SITE_URL + reverse("admin:workflows_alert_changelist"),
    }


def _in_words(numbers: Counter[str]) -> list[str]:
    return [wording.counted(numbers[kind]) for kind, wording in WORDINGS.items() if kind in numbers]


def _shown(alert: Alert) -> dict[str, Any]:
    return {
        "what": alert.get_kind_display(),
        "created_at": alert.created_at,
        "line": headline(alert.text),
        "url": url_of(alert),
    }
