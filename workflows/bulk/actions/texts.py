"""The text of a security notice: plain, with a few placeholders, and no template language that could do anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from django import forms
from django.conf import settings

from accounts.models import User

PLACEHOLDERS: dict[str, Callable[[User], str]] = {
    "username": lambda user: user.username,
    "first_name": lambda user: user.first_name,
    "last_name": lambda user: user.last_name,
    "email": lambda user: user.email,
    "site": lambda user: urlsplit(settings.SITE_URL).netloc,
}
PLACEHOLDER = re.compile(r"\{(\w*)\}")
TEMPLATE_MARKUP = re.compile(r"\{[{%#]|[}%#]\}")
KNOWN = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def fill(text: str, user: User) -> str:
    """Once, from left to right: what a person's name says is not looked at again."""
    return PLACEHOLDER.sub(lambda found: PLACEHOLDERS[found[1]](user), text)


def refuse_markup(text: str) -> None:
    """Raises ValidationError where something in braces is no placeholder."""
    if TEMPLATE_MARKUP.search(text):
        raise forms.ValidationError(f"This is plain text: template markup is not read. Placeholders are {KNOWN}.")
    unknown = sorted({found[0] for found in PLACEHOLDER.finditer(text) if found[1] not in PLACEHOLDERS})
    if unknown:
        raise forms.ValidationError(f"{', '.join(unknown)} is no placeholder. There are {KNOWN}.")


class NoticeForm(forms.Form):
    subject = forms.CharField(max_length=150, validators=[refuse_markup])
    text = forms.CharField(
        max_length=5_000,
        validators=[refuse_markup],
        widget=forms.Textarea(attrs={"rows": 10, "cols": 72}),
        help_text=f"Plain text. Placeholders: {KNOWN}.",
    )
