"""Two sites measured side by side, a step here and the same step there, so that the machine is the same for both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks.process import PROGRAM
from tests.servers import CHECKOUT

# What a process prints after each step.
DONE = "done"


class Side:
    """A process of ``module`` on the database at ``url``, which takes a step for each line that it is given."""

    def __init__(self, module: str, *arguments: object, url: str) -> None:
        self.figures: Any = None
        self._command = [sys.executable, "-c", PROGRAM, module, *map(str, arguments)]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url}
        self._process = subprocess.Popen(  # noqa: S603  our own module
            self._command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def step(self) -> bool:
        """False after the last one: then there are ``figures``. Raises subprocess.CalledProcessError."""
        assert self._process.stdin and self._process.stdout  # noqa: S101  they are pipes
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if line.strip() == DONE:
            return True
        if not line:
            raise subprocess.CalledProcessError(self._process.wait(), self._command)
        self.figures = json.loads(line)
        return False

    def end(self) -> None:
        """Asked, not killed: it ends what it has started."""
        with self._process:
            self._process.terminate()


def side_by_side(module: str, sites: Mapping[str, tuple[object, ...]], urls: Mapping[str, str]) -> dict[str, Any]:
    """The figures of each, by the names of ``sites``, which has the module's arguments.

    Who begins changes with each step: the second finds the processor's caches as the first has left them.
    """
    with ExitStack() as stack:
        sides = {}
        for name, arguments in sites.items():
            sides[name] = Side(module, *arguments, url=urls[name])
            stack.callback(sides[name].end)
        order = list(sides.values())
        going = True
        while going:
            # Each of them, also where one has come to its end.
            going = all(tuple(side.step() for side in order))
            order.reverse()
        return {name: side.figures for name, side in sides.items()}
