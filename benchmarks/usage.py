"""What processes use of the processor and of memory, each with all its children."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]  # it has no types

# The number of the first process of each part of the site, by name.
Parts = Mapping[str, int]

MIB = 2**20
# Of psutil's kinds of time, those in which a core was not idle. Not all are counted everywhere.
BUSY = ("user", "nice", "system", "irq", "softirq", "steal")


@dataclass(frozen=True)
class Memory:
    """MiB: ``pss`` divides what is shared among all who share it, ``rss`` counts it for each."""

    processes: int
    pss: float
    rss: float


def processor(parts: Parts) -> dict[str, float]:
    """Seconds that each part, its ended children too, has had of the processor so far; to a hundredth."""
    return {name: sum(_seconds(process) for process in _tree(pid)) for name, pid in parts.items()}


def machine() -> float:
    """Seconds that all processes together have had, and those that a host took for itself."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, kind, 0.0) for kind in BUSY))


def memory(parts: Parts) -> dict[str, Memory]:
    return {name: _memory(_tree(pid)) for name, pid in parts.items()}


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):  # it has ended since, and its parent has its time
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _memory(processes: Iterable[psutil.Process]) -> Memory:
    infos = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            infos.append(process.memory_full_info())
    return Memory(len(infos), sum(info.pss for info in infos) / MIB, sum(info.rss for info in infos) / MIB)
