"""Reading the environment: every wrong value is named, one clear line each."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

T = TypeVar("T")

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105  the form, no secret

DATABASE_SCHEMES = {"postgres", "postgresql", "sqlite"}
BROKER_SCHEMES = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps"}
EMAIL_SCHEMES = {
    "smtp",
    "smtps",
    "smtp+tls",
    "smtp+ssl",
    "consolemail",
    "filemail",
    "memorymail",
    "dummymail",
    "maildir",
}

environ.Env.EMAIL_SCHEMES["maildir"] = "loginwatch.demo.maildir.EmailBackend"


class Environment:
    """Typed access to environment variables that collects what is wrong.

    Reading never raises: a wrong value is noted and the default returned, so that one start names every
    fault. ``refuse_faults`` then ends the process if there was any.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables: Mapping[str, str] = os.environ if variables is None else variables
        self._faults: list[str] = []

    def fault(self, name: str, problem: str) -> None:
        self._faults.append(f"{name} {problem}")

    def refuse_faults(self) -> None:
        """Raise SystemExit, which prints one line a fault and no traceback."""
        if self._faults:
            raise SystemExit("\n".join(f"loginwatch: {fault}" for fault in self._faults))

    def _read(self, name: str, default: T, convert: Callable[[str], T], expected: str) -> T:
        value = self._variables.get(name, "")
        if value == "":
            return default
        try:
            return convert(value)
        except (ValueError, OSError) as error:
            # A URL may hold a password: no value of one is ever printed.
            shown = "" if "URL" in name or "SECRET" in name else f" (it is {value[:80]!r})"
            detail = f": {error}" if isinstance(error, Refused) else ""
            self.fault(name, f"must be {expected}{detail}{shown}")
            return default

    def has(self, name: str) -> bool:
        return bool(self._variables.get(name))

    def text(self, name: str, default: str = "") -> str:
        return self._read(name, default, str, "text")

    def required(self, name: str, default: str | None, remedy: str) -> str:
        """The text of ``name``; where neither it nor a default is there, a fault with the remedy."""
        value = self.text(name, default or "")
        if not value:
            self.fault(name, f"is not set: {remedy}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        return self._read(name, default, _flag, "true or false")

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        return self._read(name, default, lambda v: _within(int(v), least, most), f"a whole number, {least} to {most}")

    def seconds(self, name: str, *, default: float, least: float, most: float) -> float:
        expected = f"a number of seconds, {least:g} to {most:g}"
        return self._read(name, default, lambda v: _within(float(v), least, most), expected)

    def choice(self, name: str, *, default: str, options: tuple[str, ...]) -> str:
        return self._read(name, default, lambda v: _among(v, options), f"one of {', '.join(options)}")

    def names(self, name: str, *, default: list[str]) -> list[str]:
        return self._read(name, default, lambda v: [part.strip() for part in v.split(",") if part.strip()], "a list")

    def addresses(self, name: str) -> list[str]:
        """E-mail addresses, separated by commas."""
        return self._read(name, [], _addresses, "e-mail addresses, separated by commas")

    def web_url(self, name: str, default: str) -> str:
        """An http or https address without a trailing slash."""
        return self._read(name, default, _web_url, "an address like https://example.com")

    def webhook_url(self, name: str) -> str:
        """An https address; http on this machine alone. "" where there is none."""
        return self._read(name, "", _webhook_url, "an https:// address (http:// on a loopback address alone)")

    def rate(self, name: str, default: float) -> float:
        """How often a second; it may be said of a minute or an hour."""
        return self._read(name, default, _rate, "a rate like 100/s, 600/m or 3600/h, at least 6/m")

    def broker_url(self, name: str, default: str) -> str:
        expected = f"a broker's URL ({', '.join(sorted(BROKER_SCHEMES))})"
        return self._read(name, default, lambda v: _url(v, BROKER_SCHEMES), expected)

    def time_zone(self, name: str, default: str) -> str:
        return self._read(name, default, _time_zone, "a time zone like Europe/Berlin")

    def file(self, name: str) -> Path | None:
        return self._read(name, None, _file, "a file that can be read")

    def webhook_secret(self, name: str, default: str | None) -> str:
        """A secret in the Standard Webhooks form, which both ends share."""
        value = self.required(
            name, default, "set it to whsec_ and 24 to 64 random bytes in base64, the same at both ends"
        )
        return self._read(name, value, _webhook_secret, "whsec_ and 24 to 64 bytes in base64")

    def database(self, name: str, default: str) -> dict[str, Any]:
        url = self._read(name, default, lambda v: _url(v, DATABASE_SCHEMES), "a postgres:// or sqlite:/// URL")
        config: dict[str, Any] = environ.Env.db_url_config(url)
        return config

    def email(self, name: str, default: str) -> dict[str, Any]:
        """Django's EMAIL_* settings from one URL."""
        expected = f"a mail server's URL ({', '.join(sorted(EMAIL_SCHEMES))})"
        url = self._read(name, default, lambda v: _url(v, EMAIL_SCHEMES), expected)
        config: dict[str, Any] = environ.Env.email_url_config(url)
        return {key: value for key, value in config.items() if value is not None}


class Refused(ValueError):
    """A value that is wrong in a way its reader can be told."""


def read_env_file(path: Path) -> None:
    """Add what ``path`` sets to the environment; what is set already wins."""
    if path.is_file():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            environ.Env.read_env(path)


def broker_options(url: str) -> tuple[str, dict[str, str | int]]:
    """A broker's URL as kombu takes it, and its transport options: a Sentinel's master stands in the URL's query.

    ``sentinel://host:26379/0?master_name=mymaster``
    """
    parts = urlsplit(url)
    if parts.scheme != "sentinel":
        return url, {}
    options = {name: int(value) if value.isdecimal() else value for name, value in parse_qsl(parts.query)}
    return parts._replace(query="").geturl(), options


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _flag(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError


Number = TypeVar("Number", int, float)


def _within(value: Number, least: Number, most: Number) -> Number:
    if not least <= value <= most:
        raise ValueError
    return value


def _among(value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        raise ValueError
    return value


def _url(value: str, schemes: set[str]) -> str:
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in schemes:
        raise Refused("its scheme is not one of these" if separator else "it is not a URL")
    urlsplit(value).port  # noqa: B018  raises ValueError where the port is not a number
    return value


def _addresses(value: str) -> list[str]:
    addresses = [part.strip() for part in value.split(",") if part.strip()]
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError as error:
            raise Refused(f"{address!r} is none") from error
    return addresses


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    _ = parts.port
    return value.rstrip("/")


def _webhook_url(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port
    if not parts.hostname or parts.fragment or not value.isprintable() or " " in value:
        raise ValueError
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError
    return value


def _rate(value: str) -> float:
    """What is held back for longer than some ten seconds would be taken for lost (workflows/recovery.py)."""
    found = re.fullmatch(r"([0-9]{1,6})/([smh])", value)
    if not found:
        raise ValueError
    return _within(int(found[1]) / {"s": 1, "m": 60, "h": 3600}[found[2]], 0.1, 100_000.0)


def _time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except ZoneInfoNotFoundError as error:
        raise ValueError from error


def _file(value: str) -> Path | None:
    path = Path(value).expanduser().resolve()
    with path.open("rb"):
        return path


def _webhook_secret(value: str) -> str:
    if not value.startswith(WEBHOOK_SECRET_PREFIX):
        raise ValueError
    _within(len(base64.b64decode(value.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)), 24, 64)
    return value
