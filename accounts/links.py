"""Records in the admin lead to each other, as far as who looks may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import ForeignKey, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.asking import may_be_asked_for


@dataclass(frozen=True)
class Link:
    """A column or a field that leads to another record: how that is found, and by which attribute it is called."""

    request: HttpRequest
    name: str
    find: Callable[[Any], Any]
    called: str = ""

    # Django asks a column that is no field for both.
    @property
    def __name__(self) -> str:
        return self.name

    @property
    def short_description(self) -> str:
        return self.name.replace("_", " ")

    def __call__(self, record: Model) -> Any:
        found = self.find(record)
        if found is None:
            return None
        text = getattr(found, self.called) if self.called else str(found)
        if not _may_see(self.request, type(found)):
            return text
        return format_html('<a href="{}">{}</a>', _address(type(found), "change", quote(found.pk)), text)


@dataclass(frozen=True)
class Lists:
    """A field of a record's page: the lists of what belongs to it."""

    request: HttpRequest
    model_admin: LinkedAdmin
    short_description = "see also"

    @property
    def __name__(self) -> str:
        return "see_also"

    def __call__(self, record: Model) -> SafeString:
        links = []
        for label, query in self.model_admin.lists.items():
            model = apps.get_model(label)
            asked = {name: getattr(record, attribute) for name, attribute in query.items()}
            if _may_see(self.request, model) and None not in asked.values():
                links.append((f"{_address(model, 'changelist')}?{urlencode(asked)}", model._meta.verbose_name_plural))
        return format_html_join(" · ", '<a href="{}">{}</a>', links)


class LinkedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it is not generic
    """A list, and pages, of which each foreign key is a link, and what is in ``links`` and ``lists`` as well."""

    # By the name of a method here, or of what a record has: by which attribute it is called, if not by its text.
    links: Mapping[str, str] = {}
    # By a model's label: the parameters of its list, and the attributes that are their values.
    lists: Mapping[str, Mapping[str, str]] = {}
    # Parameters with which others lead here, of which Django does not know that they are harmless.
    asked_for: tuple[str, ...] = ()

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._linked(request, column) for column in super().get_list_display(request)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = super().get_fields(request, obj)
        return [self._linked(request, name) for name in dict.fromkeys([*names, *self.links])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = list(super().get_readonly_fields(request, obj))
        return [*fields, Lists(request, self)] if self.lists and obj is not None else fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        is_known = lookup in self.asked_for or super().lookup_allowed(lookup, value, request)
        return is_known and may_be_asked_for(self.model, lookup)

    def _linked(self, request: HttpRequest, name: Any) -> Any:
        if name not in self.links and name not in self._foreign_keys:
            return name
        find = getattr(self, name, None) or partial(_attribute, name)
        return Link(request, name, find, self.links.get(name, ""))

    @property
    def _foreign_keys(self) -> set[str]:
        return {field.name for field in self.model._meta.fields if isinstance(field, ForeignKey)}


def _attribute(name: str, record: Any) -> Any:
    """None where no row leads back to this one."""
    return getattr(record, name, None)


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    shown = admin.site._registry.get(model)
    return shown is not None and shown.has_view_permission(request)


def _address(model: type[Model], page: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)
