"""Runs in templates; the words are those of presentation/words.py."""

from __future__ import annotations

from django import template
from django.template import Context

from accounts.models import Verdict
from workflows.models import Run
from workflows.presentation.result_words import verdict_in_words
from workflows.presentation.words import ShownRun, show_run

register = template.Library()


@register.simple_tag(takes_context=True)
def shown(context: Context, run: Run) -> ShownRun:
    return show_run(run, staff=context["request"].user.is_staff)


@register.filter
def in_words(verdict: Verdict) -> str:
    return verdict_in_words(verdict.decision)
