"""The dashboard and its figures cost what has happened lately, and what is under way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from loginwatch.dashboard import site
from tests.growth.filling import BUSY, DAYS, SIGN_INS
from tests.growth.plans import assert_touched, big_tables, explained
from tests.growth.test_recovery import make_run
from workflows import backlog, figures, runs
from workflows.models import Period

UNFINISHED = 30
# Sign-ins of so long as is counted again at most.
LATELY = SIGN_INS * figures.LATE // timedelta(days=DAYS)

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def unfinished(site: None) -> None:
    made = [make_run(number + 1) for number in range(UNFINISHED)]
    for run in made[: UNFINISHED // 2]:
        runs.mark_retrying(run.pk, timezone.now() + timedelta(hours=1))


@pytest.mark.usefixtures("unfinished")
def test_the_oldest_unfinished_run() -> None:
    with explained() as statements:
        assert site._oldest().value != "none"

    assert_touched(statements, rows=2 * UNFINISHED, buffers=10 * UNFINISHED)
    assert all("run_unfinished_by_recover_at" in statement.indexes for statement in statements)


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("window", list(site.WINDOWS))
def test_the_front_page(client: Client, monkeypatch: pytest.MonkeyPatch, window: str) -> None:
    monkeypatch.setattr(backlog, "lengths", lambda: {"sign_in": 0})
    User.objects.filter(pk=BUSY).update(is_staff=True, is_superuser=True)
    client.force_login(User.objects.get(pk=BUSY))
    count_lately()

    with explained() as statements:
        assert client.get("/admin/", {"window": window}).status_code == 200

    assert_touched(statements, rows=2 * LATELY, buffers=20 * LATELY)


def test_what_happened_lately_is_rolled_up() -> None:
    count_lately()

    with explained() as statements:
        figures.roll_up()

    # With one notice in twenty sign-ins, PostgreSQL may read them all rather than look for those of so many.
    of_notices = [statement for statement in statements if "accounts_notice" in statement.sql]
    assert {table for one in of_notices for table in one.scanned} & big_tables() <= {"accounts_notice"}
    others = [statement for statement in statements if statement not in of_notices]
    assert_touched(others, rows=2 * LATELY, buffers=20 * LATELY)
    indexes = {index for statement in statements for index in statement.indexes}
    assert {"sign_in_by_age", "run_ended_lately", "security_event_by_kind"} <= indexes


def count_lately() -> None:
    """As if the site had counted until an hour ago."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    Period.objects.create(span=figures.Span.HOUR, began_at=hour, counts={}, durations={})
    figures.roll_up()
