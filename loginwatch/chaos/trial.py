"""One trial: sign-ins and faults in a private copy, then waiting until all is done, then the audit."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db.models import Max

from accounts.models import Notice, SignIn, Verdict
from loginwatch.chaos.audit import audit
from loginwatch.chaos.copy import Engine, PrivateCopy
from loginwatch.chaos.evidence import gather, private_database
from loginwatch.chaos.faults import Injected, NoTarget, inject
from loginwatch.chaos.latency import Span, percentile, seconds_of_sign_ins, server_errors
from loginwatch.chaos.mail import Mail
from loginwatch.chaos.report import Figures
from loginwatch.chaos.schedule import Kind, schedule
from loginwatch.chaos.visitors import Visit, Visitors
from workflows.models import Run

BROKER_FAULTS = {Kind.WIPE_BROKER, Kind.KILL_BROKER, Kind.FREEZE_BROKER}
# What a sign-in cannot do without. Beside such a fault nothing is to be learnt of what a broker fault costs it.
SITE_FAULTS = {Kind.KILL_WEB, Kind.RESTART_DATABASE}
# Seconds after a fault that still belong to it: until what was killed is back, and, for the site, until those who
# waited for it are in.
BROKER_AFTERMATH, SITE_AFTERMATH = 5.0, 15.0
# More threads than faults last at the same time.
MOST_AT_ONCE = 16
# Seconds after the last sign-in until what is not done counts as lost. A notice that was handed over is tried after
# 3 minutes, and again after 6.
PATIENCE = 600.0
# Seconds in which copies of messages that are still on their way may do what harm they can.
AFTERWARDS = 5.0
POLL, TELL_EVERY = 0.5, 10.0
UNSENT = (Notice.State.CLAIMED, Notice.State.HANDED_OVER)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """``rate`` is in sign-ins a second; ``folder`` is for everything that the copy keeps."""

    folder: Path
    database: Engine
    sign_ins: int
    rate: float
    seed: int
    plain: bool = False

    @property
    def seconds(self) -> float:
        return self.sign_ins / self.rate


def run_trial(plan: Plan, tell: Tell) -> Figures:
    """Raises CannotStart where the copy does not start. ``tell`` is given lines of progress."""
    tell(f"Starting a private copy on {plan.database} in {plan.folder} …")
    # The copy ends first: with it end the faults that still last.
    with (
        ThreadPoolExecutor(MOST_AT_ONCE) as threads,
        PrivateCopy(plan.folder, engine=plan.database, plain=plan.plain) as copy,
    ):
        visitors = Visitors(copy.url, copy.users, count=plan.sign_ins, rate=plan.rate, seed=plan.seed)
        with coming(visitors) as last_visit:
            injected = _inject_all(copy, plan, visitors, threads, tell)
            last_visit.result()
        tell(f"{visitors.answered} signed in; waiting until all is done …")
        with private_database(copy.database_url) as alias:
            _wait_until_done(alias, plan, tell)
            _keep(plan.folder, visits=visitors.visits, mails=copy.mails(), faults=injected)
            return _figures(alias, copy, plan, visitors, injected)


@contextmanager
def coming(visitors: Visitors) -> Iterator[Future[None]]:
    """Visitors come in a thread of their own, so that an interrupt reaches the main one; at the end they are gone."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="visitors", daemon=True)
    thread.start()
    last_visit = asyncio.run_coroutine_threadsafe(visitors.come(), loop)
    try:
        yield last_visit
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_the_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _inject_all(copy: PrivateCopy, plan: Plan, visitors: Visitors, threads: Executor, tell: Tell) -> list[Injected]:
    """Each fault at its time, beside those that still last; returns when the last has ended."""
    began = time.monotonic()
    under_way = []
    for fault in schedule(seed=plan.seed, seconds=plan.seconds, engine=plan.database):
        time.sleep(max(0.0, began + fault.at - time.monotonic()))
        lasts = f" for {fault.lasts:g} s" if fault.lasts else ""
        tell(f"{time.monotonic() - began:6.1f} s  {visitors.answered:5} signed in  {fault.kind}{lasts}")
        under_way.append(threads.submit(inject, copy, fault))
    return list(_those_that_hit(under_way, tell))


def _those_that_hit(under_way: Iterable[Future[Injected]], tell: Tell) -> Iterator[Injected]:
    for one in under_way:
        try:
            yield one.result()
        except NoTarget as missed:
            tell(f"A fault found nothing to hit, and does not count: {missed}")


def _keep(folder: Path, **lists: Sequence[Visit | Mail | Injected]) -> None:
    """Beside the logs, for who wants to know more than the figures."""
    for name, things in lists.items():
        (folder / f"{name}.json").write_text(json.dumps([asdict(thing) for thing in things], indent=1))


def _wait_until_done(alias: str, plan: Plan, tell: Tell) -> None:
    began = time.monotonic()
    tell_at = 0.0
    while (left := _unfinished(alias, plain=plan.plain)) and (waited := time.monotonic() - began) < PATIENCE:
        if waited >= tell_at:
            tell(f"{waited:6.1f} s  {left:5} to be done")
            tell_at = waited + TELL_EVERY
        time.sleep(POLL)
    time.sleep(AFTERWARDS)


def _unfinished(alias: str, *, plain: bool) -> int:
    """Runs that have not ended, or on the plain canvas sign-ins without a verdict, and notices still to be sent."""
    if plain:
        runs = SignIn.objects.using(alias).filter(verdict=None).count()
    else:
        runs = Run.objects.using(alias).filter(state__in=Run.UNFINISHED).count()
    return runs + Notice.objects.using(alias).filter(state__in=UNSENT).count()


def _figures(alias: str, copy: PrivateCopy, plan: Plan, visitors: Visitors, faults: Sequence[Injected]) -> Figures:
    sign_ins = seconds_of_sign_ins(visitors.visits)
    in_broker_faults = seconds_of_sign_ins(
        visitors.visits,
        within=_spans(faults, BROKER_FAULTS, BROKER_AFTERMATH),
        without=_spans(faults, SITE_FAULTS, SITE_AFTERMATH),
    )
    mails = copy.mails()
    last_fault = max((one.ended for one in faults), default=None)
    last_mail = max((mail.at for mail in mails), default=None)
    return Figures(
        canvas="plain" if plan.plain else "site's",
        database=plan.database,
        seed=plan.seed,
        rate=plan.rate,
        faults=Counter(str(one.fault.kind) for one in faults),
        asked=plan.sign_ins,
        answered=visitors.answered,
        audit=audit(gather(alias, mails, copy.risk_store, plain=plan.plain), visitors.visits),
        server_errors=server_errors(visitors.visits, copy.database_outages()),
        worst=max(sign_ins, default=None),
        p99=percentile(sign_ins, 99),
        broker_worst=max(in_broker_faults, default=None),
        broker_p99=percentile(in_broker_faults, 99),
        to_last_run=_since(last_fault, _last_run(alias, plain=plan.plain)),
        to_last_mail=_since(last_fault, last_mail),
    )


def _spans(faults: Sequence[Injected], kinds: set[Kind], aftermath: float) -> list[Span]:
    return [(one.began, one.ended + aftermath) for one in faults if one.fault.kind in kinds]


def _last_run(alias: str, *, plain: bool) -> float | None:
    """When the last run was finished, or on the plain canvas the last verdict stored, as time.time() has it."""
    if plain:
        last = Verdict.objects.using(alias).aggregate(last=Max("created_at"))["last"]
    else:
        last = Run.objects.using(alias).aggregate(last=Max("finished_at"))["last"]
    return last.timestamp() if last else None


def _since(last_fault: float | None, moment: float | None) -> float | None:
    return None if last_fault is None or moment is None else max(0.0, moment - last_fault)
