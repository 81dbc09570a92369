from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from riskapi.app import create_app
from riskapi.config import Config
from tests.riskapi.caller import KEY_BYTES
from tests.riskapi.server import RiskServer


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "risk.sqlite3"


@pytest.fixture
def app(store_path: Path) -> Iterator[Flask]:
    made = create_app(Config(secret=KEY_BYTES, store=store_path))
    yield made
    made.extensions["store"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def server(tmp_path: Path, store_path: Path) -> Iterator[RiskServer]:
    """A real gunicorn that serves the risk service; a test may kill and start it again."""
    running = RiskServer(folder=tmp_path, store=store_path)
    running.start()
    yield running
    running.kill()
