"""A site that has been used for a year, written by a few statements: 200,000 sign-ins of 20,000 people, and as many
changes of passwords, and bulk jobs, as people.

Of these, runs and steps are as many as they would be, results are those of a week.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model
from django_celery_results.models import TaskResult

from accounts.models import Device, Notice, PasswordChange, SecurityEvent, SignIn, User, Verdict
from workflows.bulk.models import BulkFailure, BulkJob
from workflows.models import Alert, Chord, Run, Step

PEOPLE = 20_000
SIGN_INS = 200_000
CHANGES = PEOPLE
STEPS_OF_SIGN_INS = 5 * SIGN_INS
STEPS = STEPS_OF_SIGN_INS + 4 * CHANGES
FILLED: list[type[Model]] = [
    *(
        User,
        EmailAddress,
        Device,
        SignIn,
        PasswordChange,
        SecurityEvent,
        Verdict,
        Notice,
        Run,
        Step,
        Alert,
        Chord,
        TaskResult,
        Session,
        BulkJob,
        BulkFailure,
    )
]
# Over how many days sign-ins are spread, until an hour ago.
DAYS = 360

# Who has every twentieth sign-in, which are 10,000; of the others each has ten.
BUSY = 1
# In SQL, of row n: a person, of whom each has a device with the same number, and of a sign-in the person.
NAME = "'person-' || n"
ADDRESS = f"{NAME} || '@example.com'"
PERSON = f"CASE WHEN mod(n, 20) = 0 THEN {BUSY} ELSE mod(n - 1, {PEOPLE}) + 1 END"
# Of step n the run, which has the number of its sign-in.
RUN = "(n - 1) / 5 + 1"
STEP = "(array['check_device', 'notify_user', 'save_event', 'post_to_risk_api', 'post_process'])[mod(n - 1, 5) + 1]"


def fill() -> None:
    """Fill the tables, which are empty."""
    with connection.cursor() as cursor:
        # Whether foreign keys lead anywhere is not looked at: it would take longer than all else.
        cursor.execute("SET session_replication_role = replica")
        _fill_accounts()
        _fill_workflows()
        _fill_password_changes()
        _fill_others()
        cursor.execute("SET session_replication_role = DEFAULT")
        for statement in connection.ops.sequence_reset_sql(no_style(), FILLED):
            cursor.execute(statement)
        cursor.execute("ANALYZE")


def _fill_accounts() -> None:
    token = _token("n")
    brought = f"CASE WHEN n > {PEOPLE} THEN {_token(f'n - {PEOPLE}')} ELSE '' END"
    seen = {
        "first_seen_at": f"now() - interval '{DAYS} days' + interval '1 second' * n",
        "last_seen_at": "now() - interval '1 day'",
    }
    client = {"browser": "'Firefox'", "os": "'Linux'"}
    _insert(User, PEOPLE, username=NAME, email=ADDRESS, uuid="gen_random_uuid()", password="'!'")
    _insert(EmailAddress, PEOPLE, user_id="n", email=ADDRESS, verified="true", primary="true")
    _insert(Device, PEOPLE, user_id="n", network="'203.0.113.0/24'", **client, **seen)
    decided = {"device_id": PERSON, "device_status": "'known'", "device_reason": "'cookie'", **client}
    tokens = {"issued_token": token, "presented_token": brought}
    _insert(SignIn, SIGN_INS, user_id=PERSON, created_at=_when("n"), ip_address="'203.0.113.7'", **tokens, **decided)
    _insert(SecurityEvent, SIGN_INS, kind="'signed_in'", user_id=PERSON, sign_in_id="n", created_at=_when("n"))
    verdict = {"assessment_id": NAME, "score": "5", "level": "'low'", "decision": "'allow'", "action": "'nothing'"}
    _insert(Verdict, SIGN_INS, sign_in_id="n", created_at=_when("n"), **verdict)
    _insert(Notice, SIGN_INS // 20, sign_in_id="n * 20", message_id=ADDRESS, state="'sent'", created_at=_when("n"))


def _fill_workflows() -> None:
    published = {"published": "1", "published_at": _when("n"), "recover_at": _when("n"), "created_at": _when("n")}
    _insert(Run, SIGN_INS, id=_uuid("n"), sign_in_id="n", **published, **_done("n"))
    _insert(Step, STEPS_OF_SIGN_INS, run_id=_uuid(RUN), name=STEP, attempts="1", result="'{}'", **_done(RUN))
    _insert(
        Alert,
        PEOPLE,
        run_id=_uuid("n"),
        kind="'run_failed'",
        text="'an error'",
        created_at=_when("n"),
        told_at=_when("n"),
    )
    _insert(Chord, PEOPLE, group_id=_token("n"), members="'[]'", body="''", created_at=_when("n"))
    lately = "now() - interval '1 second' * n"
    stored = {
        "date_created": lately,
        "date_done": lately,
        "status": "'SUCCESS'",
        "task_name": f"'workflows.tasks.' || {STEP}",
    }
    _insert(TaskResult, SIGN_INS, task_id=f"{_uuid(RUN)} || '.' || {STEP}", **stored)


def _fill_password_changes() -> None:
    """One of each person, spread as sign-ins are, with its workflow."""
    run, of_step = _uuid(f"{SIGN_INS} + n"), "(n - 1) / 4 + 1"
    when = f"n * {SIGN_INS // CHANGES}"
    _insert(PasswordChange, CHANGES, user_id="n", how="'changed'", created_at=_when(when))
    facts = "jsonb_build_object('password_change', n)"
    moments = {"published_at": _when(when), "recover_at": _when(when), "created_at": _when(when), **_done(when)}
    _insert(Run, CHANGES, id=run, kind="'password_change'", user_id="n", facts=facts, published="1", **moments)
    names = "(array['record', 'notify_user', 'end_other_sessions', 'post_process'])[mod(n - 1, 4) + 1]"
    step = {"id": f"{STEPS_OF_SIGN_INS} + n", "run_id": _uuid(f"{SIGN_INS} + {of_step}"), "name": names}
    _insert(Step, 4 * CHANGES, **step, attempts="1", result="'{}'", **_done(f"({of_step}) * {SIGN_INS // CHANGES}"))
    notice = {"id": f"{SIGN_INS // 20} + n", "message_id": _token("n"), "state": "'sent'"}
    _insert(Notice, CHANGES, password_change_id="n", **notice, created_at=_when(when))
    event = {"id": f"{SIGN_INS + PEOPLE} + n", "kind": "'password_changed'", "user_id": "n"}
    _insert(SecurityEvent, CHANGES, password_change_id="n", **event, created_at=_when(when))


def _fill_others() -> None:
    """Failed sign-ins, sessions, limits on sign-ins, and bulk jobs, of which each had a row that failed."""
    failed = {"kind": "'sign_in_failed'", "created_at": f"now() - interval '{DAYS} days' * n / {PEOPLE}"}
    _insert(SecurityEvent, PEOPLE, id=f"{SIGN_INS} + n", user_id="n", **failed)
    later = "now() + interval '1 hour' + interval '1 second' * n"
    _insert(Session, SIGN_INS, session_key=_token("n"), session_data="''", expire_date=later)
    ended = {"finished_at": f"now() - interval '{DAYS} days' * n / {PEOPLE}", "state": "'finished'"}
    job = {"id": _uuid("n"), "token": _uuid("n"), "action": "'sign_out'", "selection": """'{"query": ""}'"""}
    _insert(BulkJob, PEOPLE, **job, **ended, total="1", failed="1", created_at=ended["finished_at"])
    _insert(BulkFailure, PEOPLE, job_id=_uuid("n"), row="'1'", reason="'550 no such person'")
    _insert_into("cache", PEOPLE, {"cache_key": _token("n"), "value": "''", "expires": later}, [])


def _insert(model: type[Model], rows: int, **expressions: str) -> None:
    """Write ``rows`` rows, numbered ``n``; what is not told here is as Django would write it."""
    columns: dict[str, str] = {}
    values = []
    for field in model._meta.concrete_fields:
        name = str(field.column)
        columns[name] = expressions.get(name, "n" if field.primary_key else "%s")
        if columns[name] == "%s":
            values.append(field.get_db_prep_save(field.get_default(), connection))
    _insert_into(model._meta.db_table, rows, columns, values)


def _insert_into(table: str, rows: int, columns: dict[str, str], values: list[Any]) -> None:
    names, expressions = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {expressions} FROM generate_series(1, {rows}) n",  # noqa: S608  ours
            values,
        )


def _done(number: str) -> dict[str, str]:
    return {"state": "'succeeded'", "started_at": _when(number), "finished_at": _when(number)}


def _when(number: str) -> str:
    """The moment of this sign-in."""
    return f"now() - interval '1 hour' - interval '{DAYS} days' * ({SIGN_INS} - ({number})) / {SIGN_INS}"


def _token(number: str) -> str:
    return f"md5(({number})::text)"


def _uuid(number: str) -> str:
    return f"lpad(to_hex({number}), 32, '0')::uuid"
