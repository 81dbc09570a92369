"""Bulk jobs over many rows, and the sign-ins meanwhile: `make bench-bulk`, which writes it into docs/scale.md.

The whole site runs, as the Procfile has it, on a private PostgreSQL with as many people as the job is to have rows
(people.py). Before each job and all through it people sign in at a steady rate (coming.py). Each job is queued as the
admin queues it, over all that a filter matches, and watched from outside (watch.py); afterwards it is counted whether
each row was done once (counts.py). Mails go to a server of their own (mails.py).
"""
