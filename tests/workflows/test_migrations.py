"""From the tables of a version before: what was written stays true, and what its processes still write is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import User
from workflows.bulk.models import BulkJob
from workflows.models import Run

BEFORE = ("workflows", "0017_ends_of_bulk_jobs")


def apps_of(*targets: tuple[str, str]) -> Apps:
    """The models as a process of that version has them."""
    return MigrationExecutor(connection).loader.project_state(list(targets)).apps


def migrate_to(*targets: tuple[str, str]) -> None:
    MigrationExecutor(connection).migrate(list(targets))


@pytest.fixture
def before(transactional_db: None) -> Iterator[Apps]:
    """The database as it was, and its models."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    migrate_to(BEFORE)
    yield apps_of(BEFORE)
    migrate_to(*newest)


def migrate() -> None:
    migrate_to(*MigrationExecutor(connection).loader.graph.leaf_nodes("workflows"))


def make_run(apps: Apps, user: User, **fields: Any) -> Any:
    now = timezone.now()
    return apps.get_model("workflows", "Run").objects.create(
        kind="password_change", user_id=user.pk, facts={}, recover_at=now, **fields
    )


def make_user(apps: Apps, name: str) -> Any:
    return apps.get_model("accounts", "User").objects.create(username=name, email=f"{name}@example.com")


def test_a_process_of_the_version_before_writes_on_while_the_tables_are_new(alice: User) -> None:
    apps = apps_of(BEFORE)
    run = make_run(apps, alice, published=1)
    job = apps.get_model("workflows", "BulkJob").objects.create(action="sign_out", selection={}, token=uuid4())

    assert (Run.objects.get(pk=run.pk).healed, BulkJob.objects.get(pk=job.pk).reasons) == (0, {})


def test_what_was_healed_before_is_told_and_other_runs_are_not_touched(before: Apps) -> None:
    alice = make_user(before, "alice")
    made = {
        (published, resumed): make_run(before, alice, published=published, resumed=resumed).pk
        for published, resumed in [(0, 0), (1, 0), (3, 1), (4, 0), (1, 2)]
    }

    migrate()

    healed = {facts: Run.objects.get(pk=pk).healed for facts, pk in made.items()}
    assert healed == {(0, 0): 0, (1, 0): 0, (3, 1): 1, (4, 0): 3, (1, 2): 0}


FORMER = {"bulk_resume": "resume_run", "bulk_run_again": "run_again"}


@pytest.mark.parametrize("codename", FORMER)
def test_who_could_do_so_to_many_runs_still_can_by_the_permission_for_one(before: Apps, codename: str) -> None:
    alice, bob, carol = (make_user(before, name) for name in ("alice", "bob", "carol"))
    permissions = before.get_model("auth", "Permission").objects
    content_types = before.get_model("contenttypes", "ContentType").objects
    of_jobs, of_runs = (content_types.get(app_label="workflows", model=model) for model in ("bulkjob", "run"))
    # Who migrates from further back has none for one run yet.
    permissions.filter(codename="run_again").delete()
    former = permissions.create(codename=codename, name="to many", content_type=of_jobs)
    resume = permissions.get(codename="resume_run", content_type=of_runs)
    alice.user_permissions.add(former, resume)
    group = before.get_model("auth", "Group").objects.create(name="operators")
    group.permissions.add(former)
    bob.groups.add(group)

    migrate()

    assert Permission.objects.get(codename=codename).name == "No longer asked for: to many"
    may = {user.pk: user.has_perm(f"workflows.{FORMER[codename]}") for user in User.objects.all()}
    assert may == {alice.pk: True, bob.pk: True, carol.pk: False}
