"""Who the demo's accounts are. Nothing of Django is needed to know it."""

from __future__ import annotations

PASSWORD = "loginwatch-demo"  # noqa: S105 - public on purpose
OPERATOR = "admin"
NAMES = ("alice", "bob", OPERATOR)


def address_of(name: str) -> str:
    return f"{name}@example.com"
