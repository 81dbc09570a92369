"""What can go wrong with each step, and how it is brought about.

Where a step meets another's fault it is that fault: a risk service that answers 503, a mail server that is silent.
What the database, the code or the machine do wrong is done at a named point of the step (tests/crashes/plans.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.crashes import plans
from tests.workflows.risk_service import Answer
from workflows.steps import Name

WORKER_KILLED = "its whole worker is killed"
HANG = Answer(delay=60.0)
AWAY = Answer(status=503, body=b"", headers={"Retry-After": "3"})


@dataclass(frozen=True, eq=False)
class Cell:
    """``what`` goes wrong with ``step``; the rest is how.

    ``plans``: what happens at which point of which step. ``mail``, ``risk``: the answers that the run gets, and where
    it has got them, others. ``alone``: with no other run at the same time, as SQLite holds everybody, or as the group's
    members have to come in their order before their time is up.
    """

    step: str
    what: str
    plans: tuple[tuple[str, str, str], ...] = ()
    mail: tuple[str, ...] = ()
    risk: tuple[Answer, ...] = ()
    alone: bool = False
    spends_budget: bool = False
    # For the second table: what it is called there.
    event: str = ""

    @property
    def kills_worker(self) -> bool:
        return any(what == plans.GROUP for _, _, what in self.plans)

    def __str__(self) -> str:
        return f"{self.step}: {self.what}"


OTHERS = {
    Name.NOTIFY_USER: Name.SAVE_EVENT,
    Name.SAVE_EVENT: Name.NOTIFY_USER,
    Name.POST_PROCESS: Name.POST_TO_RISK_API,
}


def in_the_database(step: str, event: str = "", killed: str = "") -> Iterator[Cell]:
    def planned(what: str, *, alone: bool = False, event: str = "") -> Cell:
        return Cell(step, what, after_the_other(step, plan_of[what], "begun"), alone=alone, event=event)

    plan_of = {
        "the database hinders it once": plans.HINDER,
        "the database hinders it each time": plans.HINDER_EACH,
        "an error that will not pass": plans.FAIL,
        "its time limit": plans.LINGER,
        "its time limit, which it does not heed": plans.HANG,
        "its process is killed": plans.PROCESS,
        WORKER_KILLED: plans.GROUP,
    }
    for what, plan in plan_of.items():
        is_event = {plans.FAIL: event, plans.PROCESS: killed}.get(plan, "")
        in_order = step == Name.SAVE_EVENT and plan in (plans.HINDER_EACH, plans.FAIL)
        yield planned(what, alone=in_order or plan in (plans.LINGER, plans.HANG), event=is_event)


def after_the_other(step: str, what: str, point: str) -> tuple[tuple[str, str, str], ...]:
    """``what`` at the ``point``, when the other of the group, or the step before, is altogether done.

    Which of the group is first would be chance, and a step is begun while the result of the one before is stored.
    """
    other = OTHERS.get(Name(step))
    if other is None:
        return ((step, point, what),)
    wait = plans.AFTER + f"{{run}} {other} result: stored"
    return ((other, "result: stored", plans.NOTHING), (step, "taken", wait), (step, point, what))


def before_the_other(step: Name, what: str, point: str) -> tuple[tuple[str, str, str], ...]:
    """``what`` at the ``point``, and the other of the group begins when this is altogether over."""
    wait = plans.AFTER + f"{{run}} {step} result: stored"
    return ((step, point, what), (step, "result: stored", plans.NOTHING), (OTHERS[step], "taken", wait))


CELLS = [
    *in_the_database(Name.CHECK_DEVICE, event="the first step fails", killed="the first step's process is killed"),
    Cell(Name.NOTIFY_USER, "the mail server puts it off once (451)", mail=("451 later", "250 ok")),
    Cell(Name.NOTIFY_USER, "the mail server puts it off each time (451)", mail=("451 later",)),
    Cell(Name.NOTIFY_USER, "the mail server refuses it (550)", mail=("550 no such user",)),
    Cell(Name.NOTIFY_USER, "the mail server stays silent beyond the time limit", mail=("silence", "250 ok")),
    Cell(
        Name.NOTIFY_USER,
        "its mail cannot be made (an error in its template)",
        tuple((task, "mail: before making", plans.FAIL_EACH) for task in (Name.NOTIFY_USER, "deliver_notices")),
    ),
    Cell(Name.NOTIFY_USER, "the database hinders it once", ((Name.NOTIFY_USER, "claimed", plans.HINDER),)),
    Cell(
        Name.NOTIFY_USER,
        "an error that will not pass",
        before_the_other(Name.NOTIFY_USER, plans.FAIL, "mail: before sending"),
        alone=True,
        event="one of the group fails, which has a callback of its own",
    ),
    Cell(
        Name.NOTIFY_USER,
        "its time limit, which it does not heed",
        after_the_other(Name.NOTIFY_USER, plans.HANG, "claimed"),
    ),
    Cell(
        Name.NOTIFY_USER,
        "its process is killed",
        after_the_other(Name.NOTIFY_USER, plans.PROCESS, "claimed"),
        event="the process of one of the group is killed",
    ),
    Cell(Name.NOTIFY_USER, WORKER_KILLED, after_the_other(Name.NOTIFY_USER, plans.GROUP, "claimed")),
    *in_the_database(Name.SAVE_EVENT, event="one of the group fails"),
    Cell(Name.POST_TO_RISK_API, "the service is away once (503)", risk=(Answer(status=503), Answer())),
    Cell(Name.POST_TO_RISK_API, "the service is away until the time for it is spent", risk=(AWAY,), spends_budget=True),
    Cell(
        Name.POST_TO_RISK_API,
        "the service refuses what it is sent (422)",
        risk=(Answer(status=422),),
        event="the task behind the group fails",
    ),
    Cell(Name.POST_TO_RISK_API, "the service stays silent beyond the time limit", risk=(HANG, Answer())),
    Cell(Name.POST_TO_RISK_API, "the database hinders it once", ((Name.POST_TO_RISK_API, "claimed", plans.HINDER),)),
    Cell(
        Name.POST_TO_RISK_API,
        "its time limit, which it does not heed",
        ((Name.POST_TO_RISK_API, "claimed", plans.HANG),),
    ),
    Cell(
        Name.POST_TO_RISK_API,
        "its process is killed",
        ((Name.POST_TO_RISK_API, "claimed", plans.PROCESS),),
        event="the process of the task behind the group is killed",
    ),
    Cell(Name.POST_TO_RISK_API, WORKER_KILLED, ((Name.POST_TO_RISK_API, "claimed", plans.GROUP),)),
    *in_the_database(Name.POST_PROCESS, event="the last step fails"),
]

BOTH = Cell(
    "notify_user and save_event",
    "an error that will not pass",
    (
        (Name.NOTIFY_USER, "mail: before sending", plans.FAIL),
        (Name.SAVE_EVENT, "begun", plans.FAIL),
    ),
    alone=True,
    event="both of the group fail",
)
