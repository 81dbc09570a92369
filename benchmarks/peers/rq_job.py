"""RQ: one job that does all five steps, in a process that is forked for it and connects to the database anew.

As RQ's documentation advises, what takes long to make is made once, in the worker before it forks.
https://python-rq.org/docs/workers/#performance-notes
"""

from __future__ import annotations

import django_rq

from accounts.families import families_of
from benchmarks.peers import domain
from workflows.risk import risk_api

families_of("Firefox")
risk_api._client()


def enqueue(sign_in_id: int) -> None:
    django_rq.enqueue(domain.all_steps, sign_in_id)
