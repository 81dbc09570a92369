"""The shapes of a request and of its answer; GET /v1/schema publishes both."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Control characters have no place in an id or a name, and some tools that read a log or a database stumble over NUL.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
RFC_3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

Level = Literal["low", "medium", "high"]
Decision = Literal["allow", "challenge", "deny"]


def _existing_time(value: str) -> str:
    datetime.fromisoformat(value.upper())  # ValueError when there is no such day or hour
    return value


def _plain_address(value: str) -> str:
    """The address in its one canonical spelling; an IPv4 address written inside IPv6 becomes IPv4."""
    address = ipaddress.ip_address(value)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone names no network")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


Name = Annotated[str, Field(max_length=128, pattern=PRINTABLE)]
Code = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166 alpha-2")]
Time = Annotated[
    str,
    Field(pattern=RFC_3339, json_schema_extra={"format": "date-time"}),
    AfterValidator(_existing_time),
]
Address = Annotated[
    str,
    Field(max_length=45, json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
    AfterValidator(_plain_address),
]


class Part(BaseModel):
    """A part of a request: unknown members and look-alike types ("3", true, 3.0 for 3) are faults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SignIn(Part):
    id: Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
    at: Time


class Device(Part):
    """The device, as whoever asks has recognised it, and the code of the reason."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=PRINTABLE)] | None
    status: Literal["known", "probably_known", "new"]
    reason: Code


class Client(Part):
    ip: Address | None
    country: Country | None
    browser: Name
    os: Name


class AssessmentRequest(Part):
    """The facts of one sign-in."""

    # An integer between 1 and 1, because Literal[1] would take `true` for it.
    version: Annotated[int, Field(ge=1, le=1, json_schema_extra={"const": 1})]
    subject: Annotated[
        str,
        Field(min_length=1, max_length=128, pattern=PRINTABLE, description="Opaque id of the person"),
    ]
    sign_in: SignIn
    device: Device
    client: Client
    recent_failures: Annotated[int, Field(ge=0, le=2**31 - 1)]


class Reason(BaseModel):
    """One ground of a score: a code for programs, an English sentence for people, and its points."""

    code: Code
    text: str
    points: Annotated[int, Field(ge=0)]


class Assessment(BaseModel):
    """The answer. The score is the sum of its reasons' points, capped at 100."""

    version: Literal[1] = 1
    id: UUID
    score: Annotated[int, Field(ge=0, le=100)]
    level: Level
    decision: Decision
    reasons: list[Reason]
    assessed_at: AwareDatetime


def json_schemas() -> dict[str, object]:
    """The JSON Schemas of the request and of the answer, keyed `request` and `response`."""
    return {
        "request": {"$schema": DIALECT, **AssessmentRequest.model_json_schema()},
        "response": {"$schema": DIALECT, **Assessment.model_json_schema(mode="serialization")},
    }
