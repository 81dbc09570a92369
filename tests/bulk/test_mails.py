"""Mails of bulk jobs through a mail server that breaks off: at one of them, or at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from tests.accounts.mail_server import ANSWERS, HANG_UP, SILENCE, MailServer, mail_server
from tests.bulk.conftest import work_off
from workflows.bulk import turns, working
from workflows.bulk.models import BulkFailure, BulkJob, BulkLane

Queue = Callable[..., BulkJob]
State = BulkJob.State


@pytest.fixture
def mails(smtp_at: Callable[..., None]) -> Iterator[MailServer]:
    with mail_server() as server:
        smtp_at(server.port, patience=0.3)
        yield server


@pytest.fixture
def notice(people: list[User], queue: Queue) -> BulkJob:
    """A notice to all of them, who have been selected."""
    job = queue("security_notice", parameters={"subject": "s", "text": "t"})
    turn(job)
    return job


def turn(job: BulkJob) -> None:
    """The next message of the first lane, which rests by then."""
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    job.refresh_from_db()


def received(mails: MailServer) -> Counter[str]:
    return Counter(mail["To"] for mail in mails.received if mail["Subject"] == "s")


@pytest.mark.parametrize("breaks_off", [HANG_UP, SILENCE])
def test_one_mail_at_which_the_server_breaks_off_fails_alone(
    people: list[User], notice: BulkJob, mails: MailServer, breaks_off: str
) -> None:
    bad = people[3]
    mails.answers_for[bad.email] = [breaks_off]
    for _ in range(2):
        turn(notice)
    assert (notice.state, notice.failed) == (State.RUNNING, 0)
    assert notice.error.startswith("The mail server broke off at a mail: ")

    job = work_off(notice, most=40)

    assert (job.state, job.done, job.failed) == (State.FINISHED, 11, 1)
    assert BulkFailure.objects.get().row == str(bad.pk)
    assert received(mails) == {user.email: 1 for user in people if user != bad}


@pytest.mark.parametrize(
    "answers", [{"CONNECT": "421 busy"}, {"CONNECT": HANG_UP}, {"EHLO": HANG_UP}, {"EHLO": "421 busy", "HELO": "421 x"}]
)
def test_an_outage_that_cuts_off_mails_as_it_begins_and_as_it_ends_costs_no_row_however_long(
    people: list[User], notice: BulkJob, mails: MailServer, answers: dict[str, str]
) -> None:
    half_dead = {"RCPT": HANG_UP}
    for said, times in ((half_dead, 5), (answers, 20), (half_dead, 5)):
        mails.answers = ANSWERS | said
        for _ in range(times):
            turn(notice)
    assert (notice.state, notice.done, notice.failed) == (State.RUNNING, 0, 0)
    mails.answers = ANSWERS | answers
    turn(notice)
    assert notice.error.startswith("The mail server is away: ")

    mails.answers = dict(ANSWERS)
    job = work_off(notice)

    assert (job.done, job.failed) == (12, 0)
    assert set(received(mails).values()) == {1}


def test_where_another_mail_went_out_in_between_the_tries_of_a_place_begin_anew(
    people: list[User], notice: BulkJob, mails: MailServer
) -> None:
    broken: list[Any] = [HANG_UP] * (working.GIVEN_UP_AFTER - 1)
    for user in people[:2]:
        mails.answers_for[user.email] = [*broken, "250 ok"]

    job = work_off(notice, most=40)

    assert (job.done, job.failed) == (12, 0)
