"""What the demo's processes are told by their environment."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from loginwatch.demo import broker
from loginwatch.demo.cast import OPERATOR, address_of
from loginwatch.demo.folders import write_private
from loginwatch.demo.ports import LOOPBACK, free_port, reachable
from loginwatch.demo.processes import CHECKOUT
from loginwatch.demo.running import BASE_DIR, env_file_in
from loginwatch.demo.secrets import risk_api_secret, secret_key
from loginwatch.environment import Environment

# Marks the demo's processes: by it the next start knows what a killed one left behind (leftovers.py).
MARK = "LOGINWATCH_DEMO_MARK"
# What a worker that is started beside the demo has to know as well.
SHARED = (
    "VAR_DIR", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "SITE_URL", "HOST", "PORT", "TRUSTED_PROXY_COUNT", "TIME_ZONE",
    "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL", "OPERATOR_EMAILS",
    "RISK_API_URL", "RISK_API_SECRET", "RISK_API_TIMEOUT", "RISK_API_RATE", "RISK_API_BUDGET", "RUN_OBJECTIVE",
    "OPERATOR_WEBHOOK_URL", "OPERATOR_WEBHOOK_SECRET", "GEOIP_DATABASE", "LOGINWATCH_ENFORCE",
    "LOGINWATCH_NO_VERDICT", "LOGINWATCH_DEMO", "BULK_APPROVAL", "RETENTION_SIGN_INS_DAYS",
    "RETENTION_FAILED_SIGN_INS_DAYS",
)  # fmt: skip


@dataclass(frozen=True)
class Surroundings:
    """Where the demo listens, which parts it brings itself, and what its processes are told."""

    host: str
    port: int
    brings_broker: bool
    brings_risk_service: bool
    variables: Mapping[str, str]


def mark_of(var: Path) -> str:
    """The same for every demo in this folder, and for none in another."""
    return hashlib.sha256(os.fsencode(var)).hexdigest()


def surroundings(given: Mapping[str, str], var: Path) -> Surroundings:
    """What the user gave wins over all that the demo would choose. Ends the process where it is wrong."""
    environment = Environment(given)
    host = environment.text("HOST", LOOPBACK)
    port = environment.whole("PORT", default=8000, least=1, most=65535)
    environment.refuse_faults()
    brings_broker = not (environment.has("REDIS_URL") or environment.has("CELERY_BROKER_URL"))
    brings_risk_service = not environment.has("RISK_API_URL")
    chosen = {
        "HOST": host,
        "PORT": str(port),
        "SITE_URL": f"http://{reachable(host)}:{port}",
        "LOGINWATCH_DEMO": "1",
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost,[::1],{reachable(host)}",
        "SECRET_KEY": secret_key(var),
        "RISK_API_SECRET": risk_api_secret(var),
        "EMAIL_URL": f"maildir:///{quote(str(var / 'mail'))}",
        "OPERATOR_EMAILS": address_of(OPERATOR),
        **(_own_broker(var) if brings_broker else {}),
        **(_own_risk_service(var) if brings_risk_service else {}),
    }
    set_by_user = {name: value for name, value in given.items() if value}
    variables = chosen | set_by_user | _of_this_machine(given, var)
    return Surroundings(host, port, brings_broker, brings_risk_service, variables)


def write_env_file(var: Path, variables: Mapping[str, str]) -> None:
    """For settings.py, which reads it in processes that are started beside the demo while it runs."""
    lines = [f"{name}={variables[name]}\n" for name in SHARED if variables.get(name)]
    write_private(env_file_in(var), "".join(lines))


def _own_broker(var: Path) -> dict[str, str]:
    port, password = free_port(), secrets.token_hex(24)
    broker.write_config(var, port=port, password=password)
    return {"REDIS_URL": f"redis://:{password}@{LOOPBACK}:{port}/0"}


def _own_risk_service(var: Path) -> dict[str, str]:
    bind = f"{LOOPBACK}:{free_port()}"
    return {"RISK_API_URL": f"http://{bind}", "RISK_API_BIND": bind, "RISK_API_STORE": str(var / "risk.sqlite3")}


def _of_this_machine(given: Mapping[str, str], var: Path) -> dict[str, str]:
    commands = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in (commands, given.get("PATH", os.defpath)) if part)
    return {"VAR_DIR": str(var), MARK: mark_of(var), CHECKOUT: str(BASE_DIR), "PATH": path, "PYTHONUNBUFFERED": "1"}
