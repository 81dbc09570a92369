"""Pages of lists that grow without end."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.utils.functional import cached_property

# As far as anybody pages. A search, or a filter, leads to what is older.
MOST = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # at run time it is not generic
    """Counts no more than MOST rows: to count all of a table the database reads all of it."""

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:MOST].count()  # type: ignore[attr-defined, no-any-return]  # a query set
