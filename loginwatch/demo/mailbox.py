"""The demo's mailbox: a Maildir, one file a mail."""

from __future__ import annotations

import mailbox
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

FOLDERS = ("cur", "new", "tmp")
# As Python's mailbox module names them: seconds, microseconds, process, count.
KEY_TIME = re.compile(r"(\d+)\.M(\d+)P")


class NoSuchMail(Exception):
    """There is no mail with this key."""


@dataclass(frozen=True)
class Mail:
    """A mail as it is shown. ``sent_at`` is None where its header is missing or wrong."""

    key: str
    sender: str
    to: str
    subject: str
    sent_at: datetime | None
    text: str
    html: str


class Mailbox:
    """The Maildir in ``path``, made where it is not there yet."""

    def __init__(self, path: Path) -> None:
        for folder in FOLDERS:
            (path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._maildir: mailbox.Maildir = mailbox.Maildir(path, create=False)

    def deliver(self, mail: bytes) -> str:
        """Add a mail, whole or not at all; returns its key."""
        return self._maildir.add(mail)

    def newest(self, most: int) -> list[Mail]:
        return [self.get(key) for key in sorted(self._maildir.keys(), key=_arrival, reverse=True)[:most]]

    def get(self, key: str) -> Mail:
        """Raises NoSuchMail. A key is looked up among the files that are there; it never becomes a path."""
        if key not in self._maildir:
            raise NoSuchMail(key)
        return _mail(key, message_from_bytes(self._maildir.get_bytes(key), policy=policy.default))


def _arrival(key: str) -> tuple[int, int]:
    found = KEY_TIME.match(key)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _mail(key: str, message: EmailMessage) -> Mail:
    return Mail(
        key=key,
        sender=str(message["from"] or ""),
        to=str(message["to"] or ""),
        subject=str(message["subject"] or ""),
        sent_at=_date(str(message["date"] or "")),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _date(header: str) -> datetime | None:
    try:
        sent_at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        content: str = part.get_content()
    except LookupError:  # a character set that Python does not know
        payload = part.get_payload(decode=True)
        content = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
    return content
