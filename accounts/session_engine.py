"""Django's sessions in the database, but that a key is looked for only where it can be one."""

from __future__ import annotations

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie may hold a NUL, at which PostgreSQL's driver raises a ValueError."""
        is_one: bool = super()._validate_session_key(key)  # type: ignore[misc]  # the stubs lack it
        return is_one and key is not None and key.isascii() and key.isalnum()
