"""Pages of lists that grow without end."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

# As far as anybody pages. A search, or a filter, leads to what is older.
MOST = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # at run time it is not generic
    """Counts no more than MOST rows: to count all of a table the database reads all of it."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST)

    @property
    def is_cut(self) -> bool:
        """There are more than it counts."""
        return self._counted > MOST

    @cached_property
    def _counted(self) -> int:
        return count_up_to(MOST + 1, self.object_list)  # type: ignore[arg-type]  # a query set


def count_up_to(most: int, rows: QuerySet) -> int:  # type: ignore[type-arg]  # of any model
    return rows.order_by()[:most].count()
