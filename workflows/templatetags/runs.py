"""Runs in templates; the words are those of presentation.py."""

from __future__ import annotations

from django import template

from workflows.models import Run
from workflows.presentation import ShownRun, show_run

register = template.Library()


@register.simple_tag
def shown(run: Run) -> ShownRun:
    return show_run(run)
