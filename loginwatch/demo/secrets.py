"""Secrets that are made once and kept, so that sessions and device cookies survive a restart."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

from loginwatch.demo.folders import write_private


def secret_key(var: Path) -> str:
    """Django's SECRET_KEY."""
    return _kept(var / "secret-key", lambda: secrets.token_urlsafe(48))


def risk_api_secret(var: Path) -> str:
    """What the site and its risk service sign with, in the Standard Webhooks form."""
    return _kept(var / "risk-api-secret", lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        write_private(path, make())
    return path.read_text()
