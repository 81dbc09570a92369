"""The Procfile, and what supervisor is told."""

from __future__ import annotations

from configparser import RawConfigParser

import pytest

from loginwatch.demo.processes import read_procfile, supervisor_config, without
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import BASE_DIR


def config_of(commands: dict[str, str], *, with_broker: bool = True, as_root: bool = False) -> RawConfigParser:
    parser = RawConfigParser()
    parser.read_string(supervisor_config(commands, with_broker=with_broker, as_root=as_root))
    return parser


def test_the_procfile_names_the_four_processes() -> None:
    assert list(read_procfile((BASE_DIR / "Procfile").read_text())) == ["web", "worker", "beat", "risk"]


def test_empty_lines_and_comments_are_passed_over() -> None:
    assert read_procfile("# the site\n\nweb:  gunicorn loginwatch.wsgi \n") == {"web": "gunicorn loginwatch.wsgi"}


@pytest.mark.parametrize("line", ["web gunicorn", "web:", "we b: gunicorn", "web: gunicorn # quick", "web: a ; b"])
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(CannotStart, match="Procfile, line 2: "):
        read_procfile(f"worker: celery\n{line}\n")


def test_every_process_is_restarted_whenever_it_ends() -> None:
    config = config_of({"web": "gunicorn", "worker": "celery"})
    for name in ("web", "worker", "redis"):
        assert config[f"program:{name}"]["autorestart"] == "true"
        assert config[f"program:{name}"]["killasgroup"] == "true"


def test_the_broker_starts_first_and_stops_last() -> None:
    config = config_of({"web": "gunicorn"})
    assert config["group:site"]["programs"] == "web,ready"
    assert config["group:broker"]["programs"] == "redis"
    assert int(config["group:broker"]["priority"]) < int(config["group:site"]["priority"])


def test_with_a_broker_of_the_users_there_is_none_of_ours() -> None:
    config = config_of({"web": "gunicorn"}, with_broker=False)
    assert config["group:site"]["programs"] == "web,ready"
    assert "program:redis" not in config


def test_a_process_can_be_left_out() -> None:
    assert without({"web": "gunicorn", "risk": "flask"}, ["risk"]) == {"web": "gunicorn"}


def test_a_percent_sign_in_a_command_reaches_the_command() -> None:
    command = config_of({"worker": "celery -n worker@%h"})["program:worker"]["command"]
    assert command % {} == "celery -n worker@%h"


@pytest.mark.parametrize("as_root", [True, False])
def test_root_is_named_where_root_starts_it(as_root: bool) -> None:
    assert ("user" in config_of({}, as_root=as_root)["supervisord"]) is as_root
