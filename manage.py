#!/usr/bin/env python
"""Django's command line for Loginwatch."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")
    if sys.argv[1:2] == ["chaos"]:
        # It starts a private copy with settings of its own, and needs none of this site's.
        os.environ.setdefault("DEBUG", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
