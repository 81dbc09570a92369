"""The files that put the site into containers, as data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
SECRETS = ("SECRET_KEY", "RISK_API_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
# It ends once its work is done.
ONE_OFF = "migrate"
OWN_IMAGE = "loginwatch"

COMPOSE_TEXT = (CHECKOUT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_TEXT)["services"]
LONG_RUNNING = sorted(set(SERVICES) - {ONE_OFF})
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text().splitlines()
DOCKERIGNORE = (CHECKOUT / ".dockerignore").read_text().splitlines()
DEPLOYMENT_PAGE = (CHECKOUT / "docs" / "deployment.md").read_text()


def interpolated() -> set[str]:
    """The variables that docker-compose.yml takes from the environment."""
    return set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))


def example() -> dict[str, str]:
    """What .env.example sets."""
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_by_settings() -> set[str]:
    """The variables that the settings of the site read."""
    text = (CHECKOUT / "loginwatch" / "settings.py").read_text()
    return set(re.findall(r"\benv\.\w+\(\s*\"(\w+)\"", text))


def procfile() -> dict[str, str]:
    lines = (CHECKOUT / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line)}
