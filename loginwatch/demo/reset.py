"""`make reset`: forget everything the demo keeps, unless one runs."""

from __future__ import annotations

import shutil
import sys

from loginwatch.demo.environment import mark_of
from loginwatch.demo.leftovers import end_leftovers
from loginwatch.demo.refusal import CannotStart
from loginwatch.demo.running import demo_lock, lock_file_in, read_own_env_file, var_dir
from loginwatch.demo.terminal import complain, say


def main() -> int:
    read_own_env_file()
    var = var_dir()
    # Only a demo makes this file: no other folder is ever removed, whatever VAR_DIR says.
    if not lock_file_in(var).exists():
        say(f"There is nothing to forget in {var}.")
        return 0
    try:
        with demo_lock(var):
            end_leftovers(mark_of(var))
            shutil.rmtree(var)
    except CannotStart as refusal:
        complain(f"loginwatch: {refusal}")
        return 1
    say(f"Removed {var}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
