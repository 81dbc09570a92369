"""What lists of the admin may be filtered by, of all that an address can ask Django for."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP

# A pattern is tried on every row, and one can be made that takes for ever. A range has two ends, an address one text.
REFUSED = ("regex", "iregex", "range")


def may_be_asked_for(model: type[Model], lookup: str) -> bool:
    return lookup.rpartition(LOOKUP_SEP)[2] not in REFUSED and not leads_to_hidden(model, lookup)


def leads_to_hidden(model: type[Model], lookup: str) -> bool:
    """Whether it asks for a field that its model's pages leave out (``exclude``), or looks through one.

    Django lets any field of a list's own rows be asked for. How many rows a beginning has tells a secret in as many
    requests as it has letters.
    """
    for part in lookup.split(LOOKUP_SEP):
        try:
            field = model._meta.get_field(part)
        except FieldDoesNotExist:
            return False
        if field.name in _hidden(model):
            return True
        if not isinstance(field.related_model, type):
            return False
        model = field.related_model
    return False


def _hidden(model: type[Model]) -> set[str]:
    shown = admin.site._registry.get(model)
    return set(shown.exclude or ()) if shown else set()
