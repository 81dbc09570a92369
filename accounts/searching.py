"""Searching lists that grow without end: by what an index finds, not by a part of a text in every row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest

from accounts.lookups import network_of
from accounts.models import User

# People that one word of a search may mean. More than that, and it is no search.
MOST_PEOPLE = 100


class SearchAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it is not generic
    """A list that is searched by a person, an address or a network, or a run's id: what the row leads to, of these.

    Of several words each must be met. A word that looks like an id or an address is looked for as one, where the
    row leads to one; any other is a person's e-mail address or user name, or its beginning.
    """

    # One that leads to a person in one of several ways names them all.
    search_person: str | tuple[str, ...] = ""
    search_address = ""
    search_id = ""

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Django shows a box where there are any, and otherwise uses them only in ``get_search_results``."""
        return tuple(field for field in (*self._ways_to_a_person, self.search_address, self.search_id) if field)

    @property
    def search_help_text(self) -> str:  # type: ignore[override]
        what = {
            "a person's e-mail address or user name, or how it begins": self.search_person,
            "an IP address or a network, as 192.0.2.0/24": self.search_address,
            "a run's id": self.search_id,
        }
        return "Search by " + "; ".join(words for words, field in what.items() if field) + "."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split():
            queryset = queryset.filter(self.meant_by(request, word))
        return queryset, False

    def meant_by(self, request: HttpRequest, word: str) -> Q:
        """The rows that one word means."""
        if self.search_id and (run_id := _read(UUID, word)):
            return Q(**{self.search_id: run_id})
        if self.search_address and (network := _read(network_of, word)):
            return Q(**{f"{self.search_address}__within": network})
        if not any(self._ways_to_a_person):
            return Q(pk__in=())
        people = find_people(word)
        if len(people) > MOST_PEOPLE:
            messages.warning(request, f"“{word}” may mean more than {MOST_PEOPLE} people, of whom these are the first.")
        return self._of(people[:MOST_PEOPLE])

    @property
    def _ways_to_a_person(self) -> tuple[str, ...]:
        return self.search_person if isinstance(self.search_person, tuple) else (self.search_person,)

    def _of(self, people: list[int]) -> Q:
        """Of several ways each is looked up by its own index: an OR over joined tables would have it read them all."""
        ways = self.ways_to(people)
        if len(ways) == 1:
            return ways[0]
        rows = self.model._default_manager.order_by()
        first, *others = (rows.filter(way).values("pk") for way in ways)
        return Q(pk__in=first.union(*others))

    def ways_to(self, people: list[int]) -> list[Q]:
        """The rows that lead to these people, by each way."""
        return [Q(**{f"{field}__in": people}) for field in self._ways_to_a_person]


def find_people(word: str) -> list[int]:
    """The keys of those whose e-mail address or user name is this in any case, or begins with it; at most one more
    than MOST_PEOPLE, of many the same each time.

    Names are kept as they were typed, addresses in lower case.
    """
    begins = Q(email__startswith=word.lower()) | Q(username__startswith=word)
    found = User.objects.alias(lower_name=Lower("username")).filter(begins | Q(lower_name=word.lower()))
    return list(found.order_by("pk").values_list("pk", flat=True)[: MOST_PEOPLE + 1])


def _read(kind: Callable[[str], Any], word: str) -> Any:
    try:
        return kind(word)
    except ValueError:
        return None
