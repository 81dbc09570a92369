"""A made-up history is as the site itself would have written it."""

from __future__ import annotations

import random as chance
from collections import Counter, deque
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Count, Max, Min, Model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import devices
from accounts.models import Device, Notice, SecurityEvent, SignIn, User, Verdict
from loginwatch.simulation.cast import Cast
from loginwatch.simulation.happening import visits_on
from loginwatch.simulation.history import NUMBERED, PEOPLE, WORKFLOWS, simulate
from workflows import figures, runs
from workflows.models import Period, Run, Step

WRITTEN = [*PEOPLE, *WORKFLOWS]
MODELS: list[type[Model]] = [*WRITTEN, Period]


@pytest.fixture
def site(db: None) -> None:
    call_command("simulate", users=60, days=12, seed=1, verbosity=0)


def test_every_sign_in_has_its_run_with_all_that_its_steps_wrote(site: None) -> None:
    ended = Run.objects.filter(state=Run.State.SUCCEEDED)

    assert SignIn.objects.count() == Run.objects.count() > 300
    assert set(Run.objects.annotate(of=Count("steps")).values_list("of", flat=True)) == {5}
    assert ended.count() == Verdict.objects.count()
    assert SecurityEvent.objects.filter(kind="signed_in").count() == SignIn.objects.count()
    assert set(Step.objects.filter(run__in=ended).values_list("state", flat=True)) == {"succeeded"}
    new = SignIn.objects.filter(device_status="new").exclude(device_reason="first_device")
    assert Notice.objects.count() == new.count() > 0


def test_steps_follow_each_other_as_in_the_canvas(site: None) -> None:
    for run in Run.objects.filter(state="succeeded").prefetch_related("steps")[:50]:
        stages: dict[int, list[Step]] = {}
        for step in run.steps.all():
            stages.setdefault(step.stage, []).append(step)
        for stage in range(3):
            ends = [step.finished_at for step in stages[stage] if step.finished_at]
            begins = [step.started_at for step in stages[stage + 1] if step.started_at]
            assert max(ends) < min(begins)


def test_devices_are_recognised_as_the_site_would(site: None) -> None:
    """The last decision of each person, made again by the site's own rules."""
    reasons = Counter[str]()
    for person in User.objects.filter(sign_ins__isnull=False).distinct():
        latest = person.sign_ins.latest("pk")
        expected = (latest.device_status, latest.device_reason)
        last_seen = latest.device and latest.device.first_sign_in_id == latest.pk
        SignIn.objects.filter(pk=latest.pk).update(device=None, device_status="", device_reason="")
        if last_seen:
            Device.objects.filter(first_sign_in=latest).delete()
        found = devices.recognise_device(SignIn.objects.get(pk=latest.pk))
        assert (found.device_status, found.device_reason) == expected
        reasons[found.device_reason] += 1
    assert reasons["cookie"] > 40


def test_the_same_seed_tells_the_same_story() -> None:
    def told(seed: int) -> list[tuple[object, ...]]:
        cast = Cast(seed, 50)
        people = [cast.person(number) for number in range(1, 51)]
        visits = visits_on(0, 1, people, chance.Random(seed))  # noqa: S311  a story
        return [(visit.at, visit.person.username, visit.machine.os, visit.network.name) for visit in visits]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_the_rows_are_the_same_however_many_processes_make_them(db: None) -> None:
    now = timezone.now()

    assert written(now, processes=1) == written(now, processes=2)


def written(now: datetime, *, processes: int) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each table; they are taken back."""
    with transaction.atomic():
        deque(simulate(users=30, days=6, seed=1, now=now, processes=processes), maxlen=0)
        # Passwords that nobody has are another each time.
        User.objects.update(password="")
        rows = {model.__name__: list(model._default_manager.order_by("pk").values_list()) for model in WRITTEN}
        transaction.set_rollback(True)
    assert len(rows["SignIn"]) > 50
    return rows


def test_keys_are_without_a_gap(site: None) -> None:
    for model in NUMBERED:
        found = model._default_manager.aggregate(least=Min("pk"), most=Max("pk"), count=Count("pk"))
        assert found["most"] - found["least"] + 1 == found["count"], model


def test_what_does_not_come_to_its_end_leaves_nothing(db: None) -> None:
    before = structure()
    story = simulate(users=30, days=6, seed=1, now=timezone.now())
    next(story)

    assert SignIn.objects.exists()
    story.close()

    assert not any(model._default_manager.exists() for model in MODELS)
    assert structure() == before


def test_indexes_and_constraints_are_as_they_were(db: None) -> None:
    before = structure()

    call_command("simulate", users=20, days=3, verbosity=0)

    assert structure() == before


def structure() -> list[object]:
    """Of each table its indexes and constraints, as the database tells them."""
    with connection.cursor() as cursor:
        return [connection.introspection.get_constraints(cursor, model._meta.db_table) for model in MODELS]


def test_the_dashboard_has_its_figures(site: None) -> None:
    begin, end = timezone.now() - timedelta(days=13), timezone.now()

    rolled_up = figures.read(Period.Span.HOUR, begin, end)

    whole = figures.total(rolled_up.values())
    assert whole == figures.total(figures.count(begin, end).values())
    assert whole.counts["sign_ins"] == SignIn.objects.count()


def test_nothing_is_left_for_recovery(site: None) -> None:
    assert not Run.objects.filter(state__in=Run.UNFINISHED).exists()
    assert runs.mend_degraded_runs() == 0


def test_keys_go_on_where_the_site_writes_itself(site: None) -> None:
    newest = SignIn.objects.latest("pk")

    made = SignIn.objects.create(user=newest.user, issued_token="another")

    assert made.pk == newest.pk + 1


def test_pages_show_it(site: None, admin: User, client: Client) -> None:
    client.force_login(admin)

    for run in (Run.objects.filter(state=state).first() for state in ("succeeded", "failed")):
        if run:
            assert client.get(run.get_absolute_url()).status_code == 200
    assert client.get("/admin/accounts/signin/").status_code == 200


def test_attackers_of_three_kinds_come() -> None:
    cast = Cast(1, 3000)
    people = [cast.person(number) for number in range(1, 3001)]
    for person in people:
        person.machines[0].old_token = "used up"
    dice = chance.Random(1)  # noqa: S311  a story
    attacks = [visit for day in range(5) for visit in visits_on(day, 2, people, dice) if visit.is_attack]

    stolen = [visit for visit in attacks if visit.cookie]
    tried = Counter((visit.network.name, visit.person.number) for visit in attacks if not visit.cookie)
    accounts = Counter(network for network, _ in tried)
    assert stolen
    assert max(tried.values()) >= 20  # one account, many passwords
    assert max(accounts.values()) >= 50  # one network, many accounts


def test_a_site_that_people_have_signed_in_to_is_left_alone(admin: User, settings: Settings) -> None:
    SignIn.objects.create(user=admin, issued_token="theirs")
    settings.DEBUG = settings.LOGINWATCH_DEMO = False

    with pytest.raises(CommandError, match="have signed in"):
        call_command("simulate")
    assert User.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"users": 0}, {"days": 0}, {"users": 10**9}])
def test_numbers_that_make_no_site_are_refused(db: None, wrong: dict[str, int]) -> None:
    with pytest.raises(CommandError, match="--users is 1 to"):
        call_command("simulate", **wrong)
