"""What the service is told by its environment."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every Standard Webhooks secret
SECRET_BYTES_MIN = 24
DEFAULT_BIND = "127.0.0.1:8001"
DEFAULT_STORE = "var/risk.sqlite3"
HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")


class ConfigError(Exception):
    """A value of the environment is missing or wrong; the message says which and what is wanted."""


@dataclass(frozen=True)
class Config:
    """`secret` is the decoded key of the signatures, `store` the path of the SQLite file."""

    secret: bytes = field(repr=False)
    store: Path
    bind: str = DEFAULT_BIND


def from_environment(environ: Mapping[str, str]) -> Config:
    """Read RISK_API_SECRET (required), RISK_API_STORE and RISK_API_BIND.

    Raises ConfigError. An empty value counts as a missing one.
    """
    return Config(
        secret=_secret(environ.get("RISK_API_SECRET", "")),
        store=_store(environ.get("RISK_API_STORE") or DEFAULT_STORE),
        bind=_bind(environ.get("RISK_API_BIND") or DEFAULT_BIND),
    )


def _secret(value: str) -> bytes:
    """The key in a Standard Webhooks secret; that specification asks for at least 24 random bytes."""
    wanted = f"{SECRET_PREFIX}<base64 of at least {SECRET_BYTES_MIN} random bytes>"
    if not value:
        raise ConfigError(f"RISK_API_SECRET is not set; it must be {wanted}")
    try:
        key = base64.b64decode(_padded(value.removeprefix(SECRET_PREFIX)), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not value.startswith(SECRET_PREFIX) or len(key) < SECRET_BYTES_MIN:
        raise ConfigError(f"RISK_API_SECRET is not valid; it must be {wanted}")
    return key


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _store(value: str) -> Path:
    path = Path(value)
    if path.is_dir():
        raise ConfigError(f"RISK_API_STORE is a folder ({value!r}); it must be the path of a file")
    return path


def _bind(value: str) -> str:
    match = HOST_AND_PORT.fullmatch(value)
    if not (value.startswith("unix:/") or (match and int(match["port"]) < 2**16)):
        raise ConfigError(f"RISK_API_BIND is not valid ({value!r}); it must be host:port or unix:/path")
    return value
