"""The e-mail backend of the demo: every mail becomes a file in a Maildir. `EMAIL_URL=maildir:////some/folder`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from loginwatch.demo.mailbox import Mailbox


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Deliver them, each whole or not at all. Raises OSError where the folder cannot be written."""
        mailbox = Mailbox(Path(settings.EMAIL_FILE_PATH))
        for message in email_messages:
            mailbox.deliver(message.message().as_bytes())
        return len(email_messages)
