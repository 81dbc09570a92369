"""What an operator may do to a run, in templates."""

from __future__ import annotations

from django import template
from django.template import Context

from workflows.models import Run
from workflows.steering import words
from workflows.steering.words import Offer

register = template.Library()


@register.simple_tag(takes_context=True)
def offers(context: Context, run: Run) -> list[Offer]:
    return words.offers(run, context["request"].user)
