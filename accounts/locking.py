"""Rows that somebody is at are left to them."""

from __future__ import annotations

from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def lock_free(rows: QuerySet[M]) -> QuerySet[M]:
    """Those that nobody else has locked, which are locked until the transaction ends. SQLite has no such locks."""
    return rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
