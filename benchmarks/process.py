"""A measurement in a process of its own, where Django is set up for one database before anything imports it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Any, NoReturn

import django

from tests.servers import CHECKOUT

PROGRAM = "from benchmarks import process; process.main()"
ENDING = (signal.SIGINT, signal.SIGTERM)


def measured(module: str, *arguments: object, url: str | None = None) -> Any:
    """What ``module.main(*arguments)`` prints as JSON, its arguments being text, with the settings of the tests.

    On the database at ``url``, else on an SQLite file. Raises subprocess.CalledProcessError.
    """
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url or ""}
    command = [sys.executable, "-c", PROGRAM, module, *map(str, arguments)]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            output = process.communicate()[0]
        finally:
            # Asked, not killed: it ends what it has started.
            process.terminate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(output)


def main() -> None:
    """The process that measures."""
    end_in_order()
    django.setup()
    module, *arguments = sys.argv[1:]
    importlib.import_module(module).main(*arguments)


def end_in_order() -> None:
    """Who interrupts or ends this process, once or twice, waits until it has ended what it has started."""
    for number in ENDING:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    for again in ENDING:
        signal.signal(again, signal.SIG_IGN)
    raise SystemExit(128 + number)
