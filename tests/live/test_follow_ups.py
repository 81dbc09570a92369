"""An unanswered notice is followed up by a real worker at its time, over a real broker."""

from __future__ import annotations

import mailbox
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import answers
from accounts.models import Notice, SignIn
from tests import servers
from tests.environment import SCRATCH
from tests.waiting import wait_for
from tests.workflows.conftest import make_run as make_run  # the fixture
from tests.workflows.risk_service import DENY, RiskService
from workflows import follow_ups
from workflows.models import Alert, Run
from workflows.publishing import publish

SOON = timedelta(seconds=10)


@pytest.fixture
def notice(
    worker: servers.Server,
    empty_broker: None,
    risk: RiskService,
    make_run: Callable[..., Run],
    finished: Callable[[Run], bool],
) -> Notice:
    """Of a sign-in that was denied; the day after which it is followed up has passed but for a moment."""
    risk.will_say(DENY)
    run = make_run()
    publish(run)
    wait_for(lambda: finished(run), "the run finishes")
    notice = Notice.objects.get(sign_in=run.sign_in)
    assert notice.follow_up_at is not None
    Notice.objects.filter(pk=notice.pk).update(follow_up_at=timezone.now() + SOON)
    notice.refresh_from_db()
    return notice


def second_mails(notice: Notice) -> list[str]:
    message_id = notice.message_id.replace("@", ".follow_up@")
    mails = mailbox.Maildir(SCRATCH / "mail")
    return [str(mail["Subject"]) for mail in mails if str(mail["Message-ID"]).strip() == message_id]


def wait_for_one_behind(notice: Notice) -> None:
    """Until a worker has followed up another notice, whose time comes after those that were published before."""
    another = Notice.objects.create(
        sign_in=SignIn.objects.create(user=notice.user, issued_token="another"),
        message_id="<another@testserver>",
        follow_up_at=timezone.now() + SOON,
    )
    assert follow_ups.publish_due() >= 1
    wait_for(lambda: second_mails(another), "the one behind it is done")


def test_it_is_done_at_its_time_and_once_however_often_it_is_published(notice: Notice) -> None:
    assert [follow_ups.publish_due() for _ in range(3)] == [1, 1, 1]

    wait_for(lambda: Notice.objects.filter(follow_up_of=notice, state="sent").exists(), "the second mail is sent")
    wait_for_one_behind(notice)

    notice.refresh_from_db()
    assert notice.follow_up_at is not None and notice.followed_up_at is not None
    assert notice.followed_up_at >= notice.follow_up_at
    assert len(second_mails(notice)) == 1
    assert Alert.objects.filter(kind=Alert.Kind.UNANSWERED, run=notice.sign_in.run).count() == 1


def test_what_is_answered_while_it_waits_in_the_worker_is_left_alone(notice: Notice) -> None:
    assert follow_ups.publish_due() == 1
    answers.answer(notice.sign_in, SignIn.Answer.MINE)

    wait_for_one_behind(notice)

    assert second_mails(notice) == []
    assert not Alert.objects.filter(run=notice.sign_in.run).exists()
