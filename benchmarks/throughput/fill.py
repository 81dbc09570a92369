"""Sign people in with the settings of a contestant: `python -m benchmarks.throughput.fill 400`.

It prints the seconds that it had of the processor meanwhile.
"""

from __future__ import annotations

import sys
import time

import django


def main(count: int) -> None:
    django.setup()
    from benchmarks import people  # models need a set up Django

    began = time.process_time()
    people.sign_in(count)
    print(time.process_time() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]))
