"""Deleting a record on its page, in one request: what goes with it is counted, and is not much."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin
from django.db import router
from django.db.models import Model
from django.db.models.deletion import Collector
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import capfirst


class DeletingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it is not generic
    """Says how many rows go with a record. Django would read each, and write down what it is called."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        if obstacles := [obstacle for record in objs if (obstacle := self.obstacle(record))]:
            return [], {}, set(), obstacles
        counts = _rows_that_go(self.model, objs)
        shown = {model: kind for model, kind in self.admin_site._registry.items() if model in counts}
        needed = {
            str(model._meta.verbose_name) for model, kind in shown.items() if not kind.has_delete_permission(request)
        }
        names = [format_html("{}: {}", capfirst(one._meta.verbose_name), one) for one in objs]
        return names, {model._meta.verbose_name_plural: number for model, number in counts.most_common()}, needed, []

    def obstacle(self, record: Any) -> str:
        """Why it cannot be deleted, for people; "" where it can."""
        return ""


def _rows_that_go(model: type[Model], objs: Any) -> Counter[type[Model]]:
    """How many, by model, as Django's own look for what it deletes has them. Nothing here is protected from that."""
    collector = Collector(using=router.db_for_write(model), origin=objs)
    collector.collect(objs)
    counts = Counter({model: len(rows) for model, rows in collector.data.items()})
    for rows in collector.fast_deletes:
        counts[rows.model] += rows.count()
    return +counts
