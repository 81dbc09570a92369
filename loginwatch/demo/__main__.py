"""`python -m loginwatch.demo`, which is what `make run` runs."""

from __future__ import annotations

import sys

from loginwatch.demo.launcher import main

sys.exit(main())
