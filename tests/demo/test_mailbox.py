"""The Maildir that the demo's mail ends in."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from pytest_django import Settings

from loginwatch.demo.mailbox import Mailbox, NoSuchMail

BACKEND = "loginwatch.demo.maildir.EmailBackend"
HOSTILE_KEYS = [
    "", ".", "..", "../../secret-key", "..%2f..%2fsecret-key", "/etc/passwd", "\0", "x" * 5000, "1.M1P1Q1.a:2,S",
]  # fmt: skip


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mail")


def mail(subject: str = "Hello", body: str = "Good morning.", **headers: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in {"To": "alice@example.com", "Subject": subject, **headers}.items()]
    return "\n".join([*lines, "", body]).encode()


def test_the_site_delivers_both_parts_of_a_mail(mailbox: Mailbox, tmp_path: Path, settings: Settings) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    message = EmailMultiAlternatives(
        "Grüße", "Line one\n", "site@example.com", ["Älice <alice@example.com>"], connection=get_connection(BACKEND)
    )
    message.attach_alternative("<p>Line <b>one</b></p>", "text/html")
    assert message.send() == 1

    (found,) = mailbox.newest(10)
    assert found.subject == "Grüße"
    assert found.to == "Älice <alice@example.com>"
    assert found.sender == "site@example.com"
    assert found.text.strip() == "Line one"
    assert found.html.strip() == "<p>Line <b>one</b></p>"
    assert found.sent_at is not None


def test_every_mail_is_a_file_of_its_own_and_no_half_one_is_seen(mailbox: Mailbox, tmp_path: Path) -> None:
    keys = {mailbox.deliver(mail()), mailbox.deliver(mail())}
    assert {file.name for file in (tmp_path / "mail" / "new").iterdir()} == keys
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []
    (tmp_path / "mail" / "tmp" / "1.M1P1Q1.host").write_bytes(b"half a ma")
    assert len(mailbox.newest(10)) == 2


def test_the_newest_comes_first(mailbox: Mailbox) -> None:
    for subject in ("first", "second", "third"):
        mailbox.deliver(mail(subject))
    assert [found.subject for found in mailbox.newest(2)] == ["third", "second"]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_key_that_is_no_mails_is_refused(mailbox: Mailbox, tmp_path: Path, key: str) -> None:
    mailbox.deliver(mail())
    (tmp_path / "secret-key").write_text("secret")
    with pytest.raises(NoSuchMail):
        mailbox.get(key)


def test_a_mail_without_a_date_or_parts_is_shown_as_it_is(mailbox: Mailbox) -> None:
    found = mailbox.get(mailbox.deliver(b"\n"))
    assert (found.to, found.subject, found.sent_at, found.text.strip(), found.html) == ("", "", None, "", "")


def test_a_date_that_is_none_is_passed_over_and_one_without_a_zone_is_utc(mailbox: Mailbox) -> None:
    assert mailbox.get(mailbox.deliver(mail(Date="soon"))).sent_at is None
    dated = mailbox.get(mailbox.deliver(mail(Date="Fri, 20 Nov 2026 13:00:00 -0000")))
    assert dated.sent_at == datetime(2026, 11, 20, 13, tzinfo=UTC)


def test_a_character_set_that_nobody_knows_does_not_hide_the_text(mailbox: Mailbox) -> None:
    key = mailbox.deliver(mail(**{"Content-Type": "text/plain; charset=klingon"}))
    assert "Good morning." in mailbox.get(key).text


def test_only_its_owner_can_read_it(mailbox: Mailbox, tmp_path: Path) -> None:
    mailbox.deliver(mail())
    assert {folder.stat().st_mode & 0o077 for folder in (tmp_path / "mail").iterdir()} == {0}


def test_a_folder_that_cannot_be_made_is_an_error_that_is_tried_again(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "mail").write_text("a file is in the way")
    settings.EMAIL_FILE_PATH = os.fspath(tmp_path / "mail")
    message = EmailMultiAlternatives(
        "Hello", "", "a@example.com", ["b@example.com"], connection=get_connection(BACKEND)
    )
    with pytest.raises(OSError, match="mail"):
        message.send()
