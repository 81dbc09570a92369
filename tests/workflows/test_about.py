"""What a kind of workflow gets by saying what its runs are about: their notice and their rows are looked after."""

from __future__ import annotations

import pytest

from accounts.models import EmailChange, Notice, User
from tests.workflows.old_runs import LONG_AGO, ago, prune
from workflows import about, kinds, retention, runs
from workflows.canvas import register
from workflows.models import Run
from workflows.password_change import password_change_canvas


@pytest.fixture
def run(alice: User, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Of a change of address, of which there is no workflow."""
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    register("email_change", "change of address", password_change_canvas, about="email_change")
    change = EmailChange.objects.create(user=alice, old="alice@example.com", new="a@example.com")
    Notice.objects.create(email_change=change, message_id="<1@testserver>", state=Notice.State.HANDED_OVER)
    return runs.create_run_of("email_change", alice, email_change=change.pk)


def state_of(run: Run) -> str:
    run.refresh_from_db()
    return run.state


def test_a_run_whose_notice_still_has_to_go_out_is_degraded_until_it_does(run: Run) -> None:
    runs.finish_run(run)
    assert state_of(run) == Run.State.DEGRADED
    assert runs.mend_degraded_runs() == 0

    about.notices_of(run).update(state=Notice.State.SENT)
    assert runs.mend_degraded_runs() == 1
    assert state_of(run) == Run.State.SUCCEEDED


def test_one_that_names_no_row_or_is_of_a_kind_that_is_not_known_has_no_notice(run: Run, alice: User) -> None:
    without = runs.create_run_of("email_change", alice)
    runs.finish_run(without)

    assert state_of(without) == Run.State.SUCCEEDED
    assert not about.notices_of(Run(kind="of another version", user=alice, facts=run.facts)).exists()


def test_the_row_goes_with_its_run_and_so_does_what_hangs_on_it(run: Run) -> None:
    runs.finish_run(run)
    Run.objects.update(created_at=ago(LONG_AGO))

    counted = retention.count_due()
    deleted = prune()

    assert counted == deleted
    assert (deleted["accounts.EmailChange"], deleted["accounts.Notice"], deleted["workflows.Run"]) == (1, 1, 1)
