"""Who waits for whom: a person's row is locked before what is decided or ended of their account.

First a step's row, then the person's, then their devices, their sessions, their notices: in another order two of these
would wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from accounts import sql
from accounts.models import User

M = TypeVar("M", bound=Model)


def lock_free(rows: QuerySet[M]) -> QuerySet[M]:
    """Those that nobody else has locked, which are locked until the transaction ends. SQLite has no such locks."""
    return rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def lock_person(user_id: int) -> None:
    """Lock the person's row until the transaction ends. Raises User.DoesNotExist."""
    # SQLite has one writer at a time.
    lock = " FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""
    if sql.fetch(f"SELECT id FROM accounts_user WHERE id = %(id)s{lock}", User, id=user_id) is None:  # noqa: S608
        raise User.DoesNotExist(f"there is no user {user_id}")


def lock_people(user_ids: Collection[int]) -> None:
    """Lock the rows of those that there are, in one order."""
    people = User.objects.filter(pk__in=user_ids).order_by("pk")
    list(people.select_for_update(no_key=True).values_list("pk"))
