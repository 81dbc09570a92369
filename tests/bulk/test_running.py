"""How a job is worked off: each row once, whatever fails, is killed, delivered twice or deleted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts.models import SecurityEvent, User
from tests.bulk.conftest import work_off
from workflows.bulk import finishing, jobs, lanes, registry, selection, snapshot, turns, upkeep, working
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob, BulkLane
from workflows.bulk.registry import Action, Did, Rest, RowFailed, Skipped, Work

State = BulkJob.State
Queue = Callable[..., BulkJob]
Do = Callable[[BulkJob], BulkJob]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 5)


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An action "touch" of which these rows have had the effect, and one "post" whose effect is outside."""
    rows: list[str] = []

    def touch(user: User, work: Work) -> Did:
        rows.append(user.username)
        User.objects.filter(pk=user.pk).update(last_name=user.last_name + "x")
        return Did.DONE

    common: dict[str, Any] = {"title": "touch", "model": User, "permission": "bulk_sign_out", "explains": ""}
    monkeypatch.setitem(registry._actions, "touch", Action("touch", do=touch, destroys=True, **common))
    monkeypatch.setitem(registry._actions, "post", Action("post", do=touch, outside=True, **common))
    return rows


def break_row(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, action: str = "touch") -> None:
    whole = registry.get(action)

    def do(user: User, work: Work) -> Did | Skipped:
        if user.username == name:
            raise error
        return whole.do(user, work)

    monkeypatch.setitem(registry._actions, action, Action(**{**whole.__dict__, "do": do}))


def names() -> dict[str, int]:
    """How often each person was touched."""
    people = User.objects.filter(username__startswith="person")
    return {user.username: len(user.last_name) for user in people}


def counts(job: BulkJob) -> dict[str, int]:
    return {name: getattr(job, name) for name in ("total", "done", "skipped", "failed", "left")}


def test_all_that_the_filter_matches_is_done_once_and_the_requester_is_told(
    people: list[User], touched: list[str], queue: Queue, do: Do, admin: User
) -> None:
    job = do(queue("touch"))

    assert job.state == State.FINISHED
    assert counts(job) == {"total": 12, "done": 12, "skipped": 0, "failed": 0, "left": 0}
    assert sorted(touched) == sorted(user.username for user in people)
    assert [chunk.done for chunk in job.chunks.order_by("number")] == [5, 5, 2]
    (told,) = mail.outbox
    assert told.to == [admin.email]
    assert told.extra_headers["Message-ID"] == f"<bulk.{job.pk}.1@testserver>"
    assert "Done:    12" in told.body
    assert f"http://testserver/admin/workflows/bulkjob/{job.pk}/change/" in told.body


def test_ids_that_were_ticked_are_done_and_no_others(
    people: list[User], touched: list[str], queue: Queue, do: Do
) -> None:
    do(queue("touch", ids=[people[3].pk, people[7].pk]))

    assert sorted(touched) == ["person03", "person07"]


def test_who_comes_into_the_list_after_it_was_asked_about_is_left_alone(
    people: list[User], touched: list[str], queue: Queue, do: Do, make_user: Callable[..., User]
) -> None:
    job = queue("touch")
    make_user("person99")

    assert do(job).total == 12
    assert "person99" not in touched


@pytest.mark.parametrize("action", ["touch", "post"])
def test_rows_that_are_deleted_meanwhile_are_skipped_and_told_apart(
    people: list[User], touched: list[str], queue: Queue, action: str
) -> None:
    job = queue(action)
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    people[2].delete()

    job = work_off(job)

    assert counts(job) == {"total": 12, "done": 11, "skipped": 1, "failed": 0, "left": 0}
    assert job.gone == 1
    assert "1 deleted since they were selected" in mail.outbox[0].body


def test_a_selection_that_is_empty_by_then_ends_well_and_says_so(queue: Queue, touched: list[str], do: Do) -> None:
    job = do(queue("touch", query="q=nobody"))

    assert (job.state, job.total) == (State.FINISHED, 0)
    assert "Nothing matched the selection any longer" in mail.outbox[0].body


@pytest.mark.parametrize("error", [RowFailed("it is wrong"), ValueError("it is wrong")])
@pytest.mark.parametrize("action", ["touch", "post"])
def test_one_bad_row_fails_alone_and_is_retried_by_itself(
    people: list[User],
    touched: list[str],
    queue: Queue,
    do: Do,
    admin: User,
    error: Exception,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        break_row(patch, "person06", error, action)
        job = do(queue(action))
    assert counts(job) == {"total": 12, "done": 11, "skipped": 0, "failed": 1, "left": 0}
    (failure,) = BulkFailure.objects.all()
    assert failure.row == str(people[6].pk)
    assert "it is wrong" in failure.reason

    jobs.retry_failed(job, by=admin)
    job = do(job)

    assert counts(job) == {"total": 12, "done": 12, "skipped": 0, "failed": 0, "left": 0}
    assert set(names().values()) == {1}
    assert not BulkFailure.objects.exists()
    assert [told.extra_headers["Message-ID"] for told in mail.outbox] == [
        f"<bulk.{job.pk}.{number}@testserver>" for number in (1, 2)
    ]


def test_a_dry_run_tries_everything_and_changes_nothing(
    people: list[User], touched: list[str], queue: Queue, do: Do
) -> None:
    job = do(queue("touch", dry_run=True))

    assert job.done == len(touched) == 12
    assert set(names().values()) == {0}
    assert "dry run: nothing was changed" in mail.outbox[0].body


def test_a_process_that_is_killed_in_a_batch_leaves_nothing_of_it(
    people: list[User], touched: list[str], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    job = queue("touch")
    lane = BulkLane.objects.get(job=job, number=0)
    turns.take_turn(job.pk, 0, lane.turn)
    lane.refresh_from_db()
    with monkeypatch.context() as patch:
        break_row(patch, "person03", Killed())
        with pytest.raises(Killed):
            turns.take_turn(job.pk, 0, lane.turn)
    assert set(names().values()) == {0}

    assert do(job).done == 12
    assert set(names().values()) == {1}


def test_a_message_that_comes_twice_does_nothing_the_second_time(
    people: list[User], touched: list[str], queue: Queue, do: Do
) -> None:
    job = queue("touch")
    seen = []
    while lane := BulkLane.objects.filter(job=job, due_at__isnull=False).first():
        seen.append((lane.number, lane.turn))
        turns.take_turn(job.pk, lane.number, lane.turn)
    for number, turn in seen:
        turns.take_turn(job.pk, number, turn)

    assert set(names().values()) == {1}
    assert do(job).done == 12


def test_who_has_lost_the_lane_commits_nothing(
    people: list[User], touched: list[str], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue("touch")
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    slow = lanes.take(lanes.Turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn))
    assert slow
    BulkLane.objects.filter(job=job).update(due_at=timezone.now())
    assert lanes.revive_due() == lanes.LANES

    job.refresh_from_db()
    with pytest.raises(lanes.TurnLost):
        working.work(job, slow)
    assert do(job).done == 12
    assert set(names().values()) == {1}


def test_preparing_goes_on_behind_the_last_chunk_where_it_was_killed(
    people: list[User], touched: list[str], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue("touch")
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "SLICE", 0.0)  # a message ends before it has begun
        turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    snapshot._add_chunk(job, [str(user.pk) for user in people[:5]])
    BulkJob.objects.filter(pk=job.pk).update(total=5)
    BulkLane.objects.filter(job=job, number=0).update(due_at=timezone.now() - timedelta(seconds=1))
    assert lanes.revive_due() == 1

    assert do(job).total == 12
    assert set(names().values()) == {1}


def test_a_row_that_ends_its_process_again_and_again_is_given_up_and_the_others_are_done(
    people: list[User], touched: list[str], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_row(monkeypatch, "person06", OperationalError("the server closed the connection"))
    job = queue("touch")
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    for _ in range(50):
        lane = BulkLane.objects.filter(job=job, due_at__isnull=False).order_by("due_at").first()
        if lane is None:
            break
        try:
            turns.take_turn(job.pk, lane.number, lane.turn)
        except OperationalError:
            BulkLane.objects.filter(pk=lane.pk).update(due_at=timezone.now())

    job = work_off(job)
    assert counts(job) == {"total": 12, "done": 11, "skipped": 0, "failed": 1, "left": 0}
    assert "each time its process ended or gave up" in BulkFailure.objects.get().reason
    assert names()["person06"] == 0


def test_a_place_with_such_a_row_is_done_row_by_row_to_the_end_of_its_chunk(
    touched: list[str], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 100)
    User.objects.bulk_create(User(username=f"person{n:02}", email=f"person{n:02}@example.com") for n in range(100))
    for name in ("person90", "person95"):
        break_row(monkeypatch, name, OperationalError("the server closed the connection"))
    job = queue("touch")
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    ended = 0
    while lane := BulkLane.objects.filter(job=job, number=0, due_at__isnull=False).first():
        try:
            turns.take_turn(job.pk, 0, lane.turn)
        except OperationalError:
            ended += 1

    job = work_off(job)
    assert counts(job) == {"total": 100, "done": 98, "skipped": 0, "failed": 2, "left": 0}
    assert set(BulkFailure.objects.values_list("row", flat=True)) == {
        str(User.objects.get(username=name).pk) for name in ("person90", "person95")
    }
    assert ended <= 2 * working.GIVEN_UP_AFTER


def test_while_nothing_can_be_done_the_job_rests_and_then_goes_on(
    people: list[User], touched: list[str], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue("post")
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    with monkeypatch.context() as patch:
        break_row(patch, "person00", Rest("the mail server is away", 30.0), "post")
        turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.RUNNING, "the mail server is away")
    lane = BulkLane.objects.get(job=job, number=0)
    assert lane.due_at and lane.due_at > timezone.now() + timedelta(seconds=25)

    job = do(job)
    assert (job.done, job.error) == (12, "")


def test_stopped_nothing_more_is_begun_and_it_goes_on_where_it_was(
    people: list[User], touched: list[str], queue: Queue, do: Do, admin: User
) -> None:
    job = queue("touch")
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    jobs.stop(job, by=admin)
    for lane in BulkLane.objects.filter(job=job):
        turns.take_turn(job.pk, lane.number, lane.turn)
    finishing.finish(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, touched) == (State.STOPPED, 0, [])

    jobs.go_on(job, by=admin)
    assert do(job).done == 12
    assert set(names().values()) == {1}


def test_stopped_while_its_rows_are_selected_it_goes_on_selecting(
    people: list[User], touched: list[str], queue: Queue, do: Do, admin: User
) -> None:
    job = queue("touch")
    jobs.stop(job, by=admin)
    jobs.go_on(job, by=admin)

    assert do(job).done == 12


def test_a_stop_at_the_last_moment_loses_nothing(
    people: list[User], touched: list[str], queue: Queue, do: Do, admin: User
) -> None:
    """All rows are done, and the job not finished yet: it is stopped with nothing left, and going on finishes it."""
    job = queue("touch")
    while lane := BulkLane.objects.filter(job=job, due_at__isnull=False).first():
        turns.take_turn(job.pk, lane.number, lane.turn)
    jobs.stop(job, by=admin)
    finishing.finish(job.pk)
    job.refresh_from_db()
    assert (job.state, job.left) == (State.STOPPED, 0)

    jobs.go_on(job, by=admin)
    assert do(job).state == State.FINISHED
    with pytest.raises(jobs.Refused, match="nothing left to stop: the job is finished"):
        jobs.stop(job, by=admin)


def test_a_job_whose_requester_has_lost_the_permission_stops_and_says_so(
    people: list[User], touched: list[str], queue: Queue, make_operator: Callable[..., User]
) -> None:
    carol = make_operator("carol", "bulk_sign_out")
    job = queue("touch", by=carol)
    turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    carol.user_permissions.remove(Permission.objects.get(codename="bulk_sign_out"))

    job = work_off(job)

    assert (job.state, job.done) == (State.STOPPED, 0)
    assert job.error == "carol has no longer the permission workflows.bulk_sign_out."
    assert SecurityEvent.objects.filter(user=carol, details__what="stopped").exists()


@pytest.mark.parametrize("field", ["is_staff", "is_active"])
def test_who_is_no_longer_staff_or_active_has_no_jobs_either(
    people: list[User], touched: list[str], queue: Queue, make_operator: Callable[..., User], field: str
) -> None:
    carol = make_operator("carol", "bulk_sign_out")
    job = queue("touch", by=carol)
    User.objects.filter(pk=carol.pk).update(**{field: False})

    assert work_off(job).state == State.STOPPED


def test_an_account_that_is_deleted_stops_its_jobs(
    people: list[User], touched: list[str], queue: Queue, make_operator: Callable[..., User]
) -> None:
    carol = make_operator("carol", "bulk_sign_out")
    job = queue("touch", by=carol)
    carol.delete()

    job = work_off(BulkJob.objects.get(pk=job.pk))
    assert (job.state, job.error) == (State.STOPPED, "The account that started the job is gone.")


def test_what_the_requester_may_not_see_is_not_acted_on(
    people: list[User], touched: list[str], queue: Queue, make_operator: Callable[..., User]
) -> None:
    carol = make_operator("carol", "bulk_sign_out")
    job = queue("touch", by=carol)
    carol.user_permissions.remove(Permission.objects.get(codename="view_user"))

    assert work_off(job).error == "carol may not see users."
    assert touched == []


def test_who_lacks_the_permission_cannot_queue(
    queue: Queue, touched: list[str], make_operator: Callable[..., User]
) -> None:
    with pytest.raises(jobs.Refused, match=r"workflows\.bulk_sign_out"):
        queue("touch", by=make_operator("carol", "bulk_export"))


def test_the_same_form_queues_one_job_however_often_it_is_sent(touched: list[str], queue: Queue) -> None:
    token = uuid4()

    assert queue("touch", token=token).pk == queue("touch", token=token).pk
    assert SecurityEvent.objects.filter(kind=SecurityEvent.Kind.BULK_JOB).count() == 1


@pytest.mark.parametrize(
    "query", ["is_active__exact=perhaps&password__startswith=x", f"date_joined__year={'9' * 40}", "email__regex=("]
)
def test_a_filter_that_cannot_be_read_fails_the_job_with_the_reason(
    touched: list[str], queue: Queue, do: Do, query: str
) -> None:
    job = do(queue("touch", query=query))

    assert job.state == State.FAILED
    assert job.error.startswith("The filter cannot be read: ")


def test_a_filter_by_a_session_key_fails_the_job(
    queue: Queue, do: Do, signed_in: Callable[[User], str], alice: User
) -> None:
    key = signed_in(alice)
    job = do(queue("export_sign_ins", query=f"session_key__startswith={key[0]}"))

    assert (job.state, job.total) == (State.FAILED, 0)
    assert job.error.startswith("The filter cannot be read: ")


@pytest.mark.parametrize("one", ["", "abc", "9" * 40, "1 OR 1=1", "\0"])
def test_what_is_no_id_is_refused(db: None, one: str) -> None:
    with pytest.raises(selection.NotReadable, match="is no id of a user"):
        selection.of_ids(registry.get("sign_out"), [one])


@pytest.mark.parametrize("turns_before", [0, 1, 2], ids=["queued", "selected", "half done"])
def test_an_action_that_this_version_does_not_know_is_left_to_a_worker_that_does(
    people: list[User],
    queue: Queue,
    do: Do,
    touched: list[str],
    turns_before: int,
    sent: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = queue("post")
    with monkeypatch.context() as patch:
        patch.setattr(working, "SLICE", 0.0)
        for _ in range(turns_before):
            turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)
    job.refresh_from_db()
    before, sent[:] = (job.state, len(touched)), []
    BulkJob.objects.filter(pk=job.pk).update(action="of_tomorrow")
    for _ in range(10):
        turns.take_turn(job.pk, 0, BulkLane.objects.get(job=job, number=0).turn)

    job.refresh_from_db()
    assert (job.state, len(touched)) == before
    assert job.error == "This version of the site has no bulk action 'of_tomorrow'."
    assert sent == []
    lane = BulkLane.objects.get(job=job, number=0)
    assert lane.due_at and lane.due_at > timezone.now() + timedelta(seconds=25)

    BulkJob.objects.filter(pk=job.pk).update(action="post")
    job = do(job)
    assert (job.state, job.done, job.error) == (State.FINISHED, 12, "")
    assert set(names().values()) == {1}


def test_a_lane_that_was_lost_is_published_again_and_a_finish_that_was_lost_too(
    people: list[User], touched: list[str], queue: Queue, sent: list[tuple[Any, ...]]
) -> None:
    job = queue("touch")
    assert lanes.revive_due() == 0
    BulkLane.objects.filter(job=job, number=0).update(due_at=timezone.now())
    assert lanes.revive_due() == 1
    assert sent[-1] == ("work", str(job.pk), 0, BulkLane.objects.get(job=job, number=0).turn)

    while lane := BulkLane.objects.filter(job=job, due_at__isnull=False).first():
        turns.take_turn(job.pk, lane.number, lane.turn)
    sent.clear()
    finishing.finish_due()
    assert sent == [("finish", str(job.pk))]


def test_a_mail_that_does_not_go_out_is_tried_again_and_goes_out_once(
    people: list[User], touched: list[str], queue: Queue, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", _away)
        job = do(queue("touch"))
    assert (job.state, job.mailed_at) == (State.FINISHED, None)
    finishing.finish(job.pk)
    assert mail.outbox == []  # not before its time

    BulkJob.objects.filter(pk=job.pk).update(mail_due_at=timezone.now())
    finishing.finish(job.pk)
    finishing.finish(job.pk)
    assert len(mail.outbox) == 1


def _away(*args: Any) -> int:
    raise ConnectionRefusedError("away")


def test_a_job_that_destroys_waits_for_another_person_where_that_is_set(
    people: list[User],
    touched: list[str],
    queue: Queue,
    do: Do,
    admin: User,
    make_operator: Callable[..., User],
    settings: Any,
) -> None:
    settings.BULK_APPROVAL = True
    job = do(queue("touch"))
    assert (job.state, touched) == (State.WAITING, [])
    with pytest.raises(jobs.Refused, match="Another person"):
        jobs.approve(job, by=admin)
    with pytest.raises(jobs.Refused, match="not the permission"):
        jobs.approve(job, by=make_operator("dave", "bulk_sign_out"))

    carol = make_operator("carol", "approve_bulkjob")
    jobs.approve(job, by=carol)
    with pytest.raises(jobs.Refused, match="does not wait for approval"):
        jobs.approve(job, by=carol)

    job = do(job)
    assert (job.state, job.done, job.approved_by) == (State.FINISHED, 12, carol)


def test_a_job_that_is_declined_is_never_begun(
    people: list[User],
    touched: list[str],
    queue: Queue,
    do: Do,
    admin: User,
    make_operator: Callable[..., User],
    settings: Any,
) -> None:
    settings.BULK_APPROVAL = True
    job, carol = queue("touch"), make_operator("carol", "approve_bulkjob")
    for refused in (admin, make_operator("dave", "bulk_sign_out")):
        with pytest.raises(jobs.Refused):
            jobs.decline(job, by=refused)

    jobs.decline(job, by=carol)
    for late in (jobs.approve, jobs.decline, jobs.go_on):
        with pytest.raises(jobs.Refused):
            late(job, by=carol)

    job = do(job)
    assert (job.state, job.error, touched) == (State.STOPPED, "carol has declined it.", [])
    logged = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.BULK_JOB).order_by("pk")
    assert [event.details["what"] for event in logged] == ["queued", "declined"]


def test_stopping_does_not_get_around_the_approval(
    people: list[User], touched: list[str], queue: Queue, admin: User, settings: Any
) -> None:
    settings.BULK_APPROVAL = True
    job = queue("touch")
    jobs.stop(job, by=admin)
    with pytest.raises(jobs.Refused, match="before it was approved"):
        jobs.go_on(job, by=admin)


def test_a_dry_run_and_what_does_not_destroy_need_no_approval(
    people: list[User], touched: list[str], queue: Queue, do: Do, settings: Any
) -> None:
    settings.BULK_APPROVAL = True

    assert do(queue("touch", dry_run=True)).state == State.FINISHED
    assert do(queue("post")).state == State.FINISHED


def test_chunks_go_a_week_after_the_end_and_the_job_stays(
    people: list[User], touched: list[str], queue: Queue, do: Do
) -> None:
    job = do(queue("touch"))
    assert upkeep.delete_old_chunks() == 0
    BulkJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=8))

    assert upkeep.delete_old_chunks() == 3
    assert not BulkChunk.objects.exists()
    assert BulkJob.objects.get().done == 12


def test_every_job_is_in_the_security_log_with_its_parameters(
    people: list[User], queue: Queue, do: Do, admin: User, signed_in: Callable[[User], str]
) -> None:
    signed_in(people[4])
    job = do(queue("sign_out"))

    assert not Session.objects.exists()
    assert (job.done, job.skipped) == (1, 11)
    by = {"id": admin.pk, "name": "admin"}
    queued = SecurityEvent.objects.get(user=admin, kind=SecurityEvent.Kind.BULK_JOB)
    assert queued.details["by"] == by
    assert queued.details["selection"]["query"] == "q=person"
    done = SecurityEvent.objects.get(user=people[4], kind=SecurityEvent.Kind.BULK_JOB)
    assert done.details == {"job": str(job.pk), "action": "sign_out", "by": by}
