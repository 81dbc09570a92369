"""The four steps of a password change's workflow, as plain functions of the run's id (as in steps.py)."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from accounts import password_changes
from accounts.models import PasswordChange
from workflows import ledger, notifying, runs
from workflows.ledger import Result
from workflows.models import Step


class Name(StrEnum):
    RECORD = "record"
    NOTIFY_USER = "notify_user"
    END_OTHER_SESSIONS = "end_other_sessions"
    POST_PROCESS = "post_process"


def record(run_id: UUID) -> Result:
    """Append the change to the security log; returns event (id) and how."""
    return ledger.in_database(run_id, Name.RECORD, _record)


def notify_user(run_id: UUID) -> Result:
    """Mail the person; returns what notifying.notify returns."""
    return notifying.notify(run_id, Name.NOTIFY_USER, _change_of)


def end_other_sessions(run_id: UUID) -> Result:
    """Sign out the person's other browsers; returns sessions (how many)."""
    return ledger.in_database(run_id, Name.END_OTHER_SESSIONS, _end_other_sessions)


def post_process(run_id: UUID) -> Result:
    """Finish the run; returns notice and sessions, what the two before it did."""
    return ledger.in_database(run_id, Name.POST_PROCESS, _post_process)


def _record(step: Step) -> Result:
    change = _change_of(step)
    return {"event": password_changes.log_change(change), "how": change.how}


def _end_other_sessions(step: Step) -> Result:
    return {"sessions": password_changes.end_other_sessions(_change_of(step))}


def _post_process(step: Step) -> Result:
    notice = ledger.result_of(step.run, Name.NOTIFY_USER).get("notice")
    sessions = ledger.result_of(step.run, Name.END_OTHER_SESSIONS)["sessions"]
    runs.finish_run(step.run)
    return {"notice": notice, "sessions": sessions}


def _change_of(step: Step) -> PasswordChange:
    facts = step.run.facts or {}
    return PasswordChange.objects.select_related("user").get(pk=facts["password_change"])
