"""The dashboard in the admin's templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from loginwatch.dashboard.site import WINDOWS, charts, facts

register = template.Library()


@register.inclusion_tag("admin/dashboard.html", takes_context=True)
def dashboard(context: Context) -> dict[str, Any]:
    """Of the window that the address names; nothing for who may not see the figures."""
    request = context["request"]
    if not request.user.has_perm("workflows.view_period"):
        return {}
    window = WINDOWS.get(request.GET.get("window", ""), WINDOWS["day"])
    return {"window": window, "windows": WINDOWS.values(), "charts": charts(window), "facts": facts()}
