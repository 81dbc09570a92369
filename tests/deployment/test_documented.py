"""That .env.example and docs/deployment.md name what there is, and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.deployment import files

# Beside those of the settings: where they are looked for, gunicorn's, the risk service's, and the containers'.
OTHERS = {"ENV_FILE", "VAR_DIR", "WEB_CONCURRENCY", "RISK_API_STORE", "RISK_API_BIND"}
OF_COMPOSE = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}


@pytest.mark.parametrize("name", files.SECRETS)
def test_the_example_leaves_secrets_empty(name: str) -> None:
    assert files.example()[name] == ""


def test_the_example_sets_what_compose_reads() -> None:
    assert set(files.example()) <= files.interpolated()


def test_the_example_sets_all_that_is_required() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", files.COMPOSE_TEXT))
    assert required <= set(files.example())


def test_the_page_describes_every_variable() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", files.DEPLOYMENT_PAGE, re.MULTILINE))
    assert described - _services() == files.read_by_settings() | OTHERS | OF_COMPOSE


def test_the_page_names_every_service() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", files.DEPLOYMENT_PAGE, re.MULTILINE)) >= _services()


def _services() -> set[str]:
    return set(files.SERVICES)
