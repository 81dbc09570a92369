"""What stops a demo from starting."""

from __future__ import annotations


class CannotStart(Exception):
    """The demo cannot start; the message is one clear line that says why, and the remedy."""
