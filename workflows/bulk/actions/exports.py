"""Exports as CSV: what the admin's lists show, row by row, and nothing that opens a session."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import Model

from accounts.models import Device, SecurityEvent, SignIn, User
from workflows.bulk.registry import Action, Did, Work, register
from workflows.models import Run

# With these a spreadsheet begins a formula, which may call out or run a program (OWASP, "CSV Injection"). The wide
# forms are those of East Asian keyboards.
FORMULA = "[-=+@＝＋－＠]"  # noqa: RUF001  these very characters
# Where a cell may begin: a spreadsheet may end one within a text, too, as its country's separator is the semicolon, or
# as it was told to take the tab, or no quotes. Then blanks and quotes may come before what it reads.
DANGEROUS = re.compile(rf"""(?:\A|(?<=[,;\t\r\n]))(?=[\s"]*{FORMULA})|\A(?= *[\t\r\n])""")
Column = Callable[[Any], Any]


def safe(value: Any) -> str:
    """``value`` as a cell that no spreadsheet takes for a formula, nor any part of it: before one is an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool | int | float):
        return str(value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return DANGEROUS.sub("'", text)


def line(values: list[Any]) -> str:
    """A line of RFC 4180."""
    text = io.StringIO()
    csv.writer(text).writerow([safe(value) for value in values])
    return text.getvalue()


def _fields(*names: str) -> dict[str, Column]:
    return {name: attrgetter(name) for name in names}


def _decision(sign_in: SignIn) -> str:
    return sign_in.verdict.decision if hasattr(sign_in, "verdict") else ""


def _named(value: Any, by: User) -> Any:
    """A person by their address, for those alone who may see users; for others by the name that the lists show."""
    if not isinstance(value, User):
        return value
    return value.email if may_see_users(by) else value.get_username()


def may_see_users(by: User) -> bool:
    return by.has_perm("accounts.view_user")


def _export(name: str, model: type[Model], columns: Mapping[str, Column], *related: str) -> None:
    def do(row: Any, work: Work) -> Did:
        work.lines.append(line([_named(column(row), work.by) for column in columns.values()]))
        return Did.DONE

    register(
        Action(
            name=f"export_{name}",
            title="export as CSV",
            model=model,
            permission="bulk_export",
            do=do,
            explains=f"A file of one line a row, with {', '.join(columns)}. It is kept for a week.",
            related=related,
            header=line(list(columns)),
        )
    )


_export(
    "users",
    User,
    _fields("id", "username", "email", "first_name", "last_name", "is_active", "is_staff", "date_joined", "last_login"),
)
_export(
    "devices",
    Device,
    {
        **_fields("id", "user_id"),
        "user": attrgetter("user"),
        **_fields("browser", "os", "network", "first_seen_at", "last_seen_at", "untrusted_at", "disowned_at"),
    },
    "user",
)
_export(
    "sign_ins",
    SignIn,
    {
        **_fields("id", "created_at", "user_id"),
        "user": attrgetter("user"),
        **_fields("ip_address", "user_agent", "country", "place", "browser", "os", "device_id"),
        **_fields("device_status", "device_reason", "answer"),
        "verdict": _decision,
    },
    "user",
    "verdict",
)
_export(
    "security_events",
    SecurityEvent,
    {
        **_fields("id", "created_at", "kind", "user_id"),
        "user": attrgetter("user"),
        **_fields("sign_in_id", "ip_address", "details"),
    },
    "user",
)
_export(
    "runs",
    Run,
    {
        **_fields("id", "kind", "state", "created_at", "started_at", "finished_at", "published", "resumed"),
        "sign_in_id": attrgetter("sign_in_id"),
        "user": attrgetter("owner"),
    },
    "sign_in__user",
    "user",
)
