"""The Procfile, which has every command of the site, and supervisor's configuration made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from loginwatch.demo.refusal import CannotStart

LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*?)\s*")
# supervisor ends a value there, and has no way to escape it.
COMMENT = re.compile(r"\s[;#]")

BROKER = "redis"
READY = "ready"

# Paths are relative to the folder that supervisor is started in, var/, and the checkout comes from the environment:
# in the file itself, a "#" or "%" of a path would be read as syntax.
CHECKOUT = "LOGINWATCH_CHECKOUT"
HEADER = """\
[supervisord]
nodaemon = true
silent = true
nocleanup = true
minfds = 256
minprocs = 1
logfile = log/supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = run/supervisord.pid
"""
# supervisor wants it said that root is meant.
STAY_ROOT = "user = root\n"
# A program that does not stay up is tried again after 1, 2, 3 … seconds, for some eight minutes.
PROGRAM = """
[program:{name}]
command = {command}
directory = %(ENV_LOGINWATCH_CHECKOUT)s
autorestart = true
startsecs = {startsecs}
startretries = 30
stopwaitsecs = {stopwaitsecs}
killasgroup = true
redirect_stderr = true
stdout_logfile = log/{name}.log
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 2
"""
# It says when the site is ready, and ends.
READY_PROGRAM = f"""
[program:{READY}]
command = python -m loginwatch.demo.ready
directory = %(ENV_LOGINWATCH_CHECKOUT)s
autorestart = false
startsecs = 0
killasgroup = true
stdout_events_enabled = true
stdout_logfile = NONE
stderr_logfile = log/{READY}.log
stderr_logfile_maxbytes = 1MB
stderr_logfile_backups = 1
"""
# supervisor stops one group after the other, the highest priority first, and a group's programs all at once.
SITE_GROUP = """
[group:site]
programs = {programs}
priority = 20
"""
BROKER_GROUP = f"""
[group:broker]
programs = {BROKER}
priority = 10
"""


def read_procfile(text: str) -> dict[str, str]:
    """Commands by process name. Raises CannotStart for a line that is none, naming it."""
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if not found or COMMENT.search(found["command"]):
            raise CannotStart(f"Procfile, line {number}: it must be a name, a colon and a command, without a comment")
        commands[found["name"]] = found["command"]
    return commands


def supervisor_config(commands: Mapping[str, str], *, with_broker: bool, as_root: bool) -> str:
    """The configuration under which ``commands`` run, and with the embedded broker if wanted."""
    parts = [HEADER, STAY_ROOT if as_root else "", *(_program(name, command) for name, command in commands.items())]
    parts.append(READY_PROGRAM)
    if with_broker:
        parts += [_program(BROKER, "python -m loginwatch.demo.broker", startsecs=1, stopwaitsecs=3), BROKER_GROUP]
    parts.append(SITE_GROUP.format(programs=",".join([*commands, READY])))
    return "".join(parts)


def without(commands: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    left_out = set(names)
    return {name: command for name, command in commands.items() if name not in left_out}


def _program(name: str, command: str, *, startsecs: int = 5, stopwaitsecs: int = 10) -> str:
    return PROGRAM.format(name=name, command=_escaped(command), startsecs=startsecs, stopwaitsecs=stopwaitsecs)


def _escaped(command: str) -> str:
    return command.replace("%", "%%")
