"""Pages of the admin that ask before an action: what their form sends once more, and what was confirmed by it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest


def is_of_all(request: HttpRequest) -> bool:
    """What is selected is all that the list matches, by the filter in the address, and not what was ticked."""
    return request.POST.get("select_across") == "1"


def context(request: HttpRequest, action: str, number: int) -> dict[str, Any]:
    """For admin/workflows/confirming.html; ``number``: how many rows the page says that there are."""
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return {
        "chosen": action,
        "number": number,
        "is_all": is_of_all(request),
        # Django wants one ticked all the same.
        "ticked": ticked[:1] if is_of_all(request) else ticked,
        "checkbox": ACTION_CHECKBOX_NAME,
    }


def confirmed(request: HttpRequest) -> int:
    """The number of rows that the page which asked has said; -1 where none has."""
    number = request.POST.get("confirmed", "")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 12 else -1
