"""Counted after a job: whether each row was done, and none twice; and which rows the job itself has left."""

from __future__ import annotations

import csv
import os
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef

from accounts.models import SecurityEvent, SignIn
from benchmarks.bulk import mails
from benchmarks.bulk.people import People
from benchmarks.growth.sql import Database
from workflows.bulk import files, registry
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob

NOTED = """
    SELECT count(*), count(DISTINCT user_id) FROM accounts_securityevent
    WHERE kind = %(kind)s AND details->>'job' = %(job)s AND user_id BETWEEN %(first)s AND %(last)s"""
RESULTS = "SELECT count(*) FROM django_celery_results_taskresult WHERE task_name LIKE 'workflows.bulk.%%'"
SIZES = "SELECT pg_database_size(current_database()), pg_total_relation_size(%(chunks)s)"

Figures = dict[str, Any]


def sizes() -> dict[str, int]:
    """Bytes."""
    with Database(os.environ["DATABASE_URL"]) as database:
        ((whole, chunks),) = database.rows(SIZES, {"chunks": BulkChunk._meta.db_table})
    return {"database": whole, "chunks": chunks}


def left_behind(job: BulkJob) -> dict[str, int]:
    """Rows of the job's own, by what they are."""
    with Database(os.environ["DATABASE_URL"]) as database:
        results = database.value(RESULTS)
    return {
        "chunks": BulkChunk.objects.filter(job=job).count(),
        "failures": BulkFailure.objects.filter(job=job).count(),
        "results": results,
    }


def wrong(job: BulkJob, people: People, mail_port: int) -> list[str]:
    """What is otherwise than if each of ``people`` had been done once; a sentence each."""
    counted = {"the job's total": job.total, "the job's done": job.done}
    job_id = str(job.pk)
    match job.action:
        case "export_users":
            counted |= _exported(job)
        case "security_notice":
            sent, to = mails.counted(mail_port, job_id)
            # One is the requester's, who is told that the job is over.
            counted |= {"mails": sent - 1, "people who got one": to - 1}
            counted |= _noted(job_id, people)
        case "sign_out":
            counted |= _noted(job_id, people)
    others = {name: count for name, count in counted.items() if count != people.count}
    sentences = [f"{name}: {count:,} instead of {people.count:,}" for name, count in others.items()]
    return sentences + (_sessions_wrong(people) if job.action == "sign_out" else [])


def _exported(job: BulkJob) -> dict[str, int]:
    text = (line for part in files.export(job, registry.get(job.action)) for line in part.splitlines(keepends=True))
    lines, ids = -1, set()  # the header is none of a person
    for row in csv.reader(text):
        lines += 1
        ids.add(row[0])
    return {"lines of the file": lines, "people in the file": len(ids) - 1}


def _noted(job_id: str, people: People) -> dict[str, int]:
    values = {"kind": SecurityEvent.Kind.BULK_JOB, "job": job_id, "first": people.first, "last": people.last}
    with Database(os.environ["DATABASE_URL"]) as database:
        ((events, accounts),) = database.rows(NOTED, values)
    return {"entries in the security log": events, "accounts with one": accounts}


def _sessions_wrong(people: People) -> list[str]:
    """Of those who were signed out no session is left, and of those who signed in meanwhile each."""
    is_there = Exists(Session.objects.filter(pk=OuterRef("session_key")))
    if left := SignIn.objects.filter(is_there, user__gte=people.first, user__lte=people.last).count():
        return [f"{left:,} sessions are left"]
    visitors = SignIn.objects.filter(user__username__startswith="cheap-").exclude(session_key="")
    ended = visitors.filter(~is_there).count()
    return [f"{ended:,} sessions of others have ended"] if ended else []
