"""Form fields: a visible label, the help and the error tied to the input, the input."""

from __future__ import annotations

from typing import Any

from django import template
from django.forms import BaseForm, BoundField

register = template.Library()

# What a password manager is to fill in, where the form says something else: this field takes either name.
AUTOCOMPLETE = {"login": "username"}
# Its help is a link ("Forgot password?"), which above the input would come between two inputs in the tab order.
HELP_BELOW = {"password", "oldpassword"}


@register.inclusion_tag("fields/fields.html")
def fields(form: BaseForm, **labels: str) -> dict[str, Any]:
    """All fields of ``form``; ``labels`` are by the name of the field, and replace the form's own."""
    return {"form": form, "shown": [_shown(field, labels) for field in form.visible_fields()]}


@register.filter
def control(field: BoundField) -> str:
    """The input of ``field``. The label is above it, so no placeholder says the same once more."""
    attrs: dict[str, Any] = {"placeholder": False}
    if field.name in AUTOCOMPLETE:
        attrs |= {"autocomplete": AUTOCOMPLETE[field.name], "autocapitalize": "none", "spellcheck": "false"}
    return field.as_widget(attrs=attrs)


def _shown(field: BoundField, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "field": field,
        "label": labels.get(field.name, field.label),
        "help_place": "below" if field.name in HELP_BELOW else "above",
    }
