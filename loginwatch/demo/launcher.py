"""`make run`: from a checkout to a running site, and back to nothing running."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connections

from loginwatch.demo import broker
from loginwatch.demo.environment import Surroundings, mark_of, surroundings, write_env_file
from loginwatch.demo.folders import prepare_folders, write_private
from loginwatch.demo.leftovers import end_leftovers
from loginwatch.demo.ports import require_free
from loginwatch.demo.processes import read_procfile, supervisor_config, without
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import BASE_DIR, demo_lock, env_file_in, read_own_env_file, var_dir
from loginwatch.demo.supervising import supervise
from loginwatch.demo.terminal import complain, keep_standard_streams, say

RISK_SERVICE = "risk"


def main() -> int:
    """The exit status: 0 when it was stopped, 1 when it could not start."""
    keep_standard_streams()
    _stop_on_signals()
    os.chdir(BASE_DIR)
    os.umask(0o077)  # the mail has links that let people in
    try:
        run()
    except CannotStart as refusal:
        complain(f"loginwatch: {refusal}")
        return 1
    except KeyboardInterrupt:
        pass
    say("Stopped.")
    return 0


def run() -> None:
    """Run the demo until a signal ends it. Raises CannotStart."""
    read_own_env_file()
    var = var_dir()
    prepare_folders(var)
    with demo_lock(var):
        _clear_up(var)
        try:
            _start(surroundings(os.environ, var), var)
        finally:
            _clear_up(var)


def _start(chosen: Surroundings, var: Path) -> None:
    require_free(chosen.host, chosen.port)
    if chosen.brings_broker:
        broker.server_binary(var)
    os.environ.update(chosen.variables)
    write_env_file(var, chosen.variables)
    say(f"Loginwatch starts … (everything it keeps is in {var})")
    prepare_data()
    config = var / "run" / "supervisord.conf"
    write_private(config, _config(chosen))
    os.chdir(var)  # what the configuration's paths are relative to
    supervise(config)


def prepare_data() -> None:
    """Bring the database up to date and make the demo accounts. Raises CannotStart."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")
    django.setup()
    if not settings.LOGINWATCH_DEMO:
        raise CannotStart("LOGINWATCH_DEMO is off in the environment or in .env, and `make run` is the demo: unset it")
    from loginwatch.demo.accounts import create_demo_accounts  # has models, so it needs the set-up

    try:
        call_command("check", stdout=io.StringIO())
    except SystemCheckError as refused:
        raise CannotStart(f"The system checks refuse these settings.\n{refused}") from refused
    try:
        call_command("migrate", interactive=False, verbosity=0)
        create_demo_accounts()
    except (CommandError, DatabaseError) as error:
        raise CannotStart(f"The database could not be prepared: {' '.join(str(error).split())}") from error
    finally:
        connections.close_all()  # the processes are forked from this one


def _config(chosen: Surroundings) -> str:
    commands = read_procfile((BASE_DIR / "Procfile").read_text())
    if not chosen.brings_risk_service:
        commands = without(commands, [RISK_SERVICE])
    return supervisor_config(commands, with_broker=chosen.brings_broker, as_root=os.getuid() == 0)


def _clear_up(var: Path) -> None:
    env_file_in(var).unlink(missing_ok=True)
    if not end_leftovers(mark_of(var)):
        raise CannotStart("Processes of an earlier run cannot be ended. End them by hand, then start again.")


def _stop_on_signals() -> None:
    """Until supervisor has its own handlers, every way to stop the demo is a KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
