"""Memory and CPU, as the process itself knows them.

The kernel's peak (`ru_maxrss`) is the peak since the process began: in a warm environment it belongs to some earlier
invocation. So: where the peak rose since the last reading, this invocation has reached it, and it is its memory; where it
didn't, the resident size at the end is what can honestly be said. Lambda's own figure ("Max Memory Used") is
the environment's, runtime and extensions included, and never goes down.
"""

import os
import time

try:
    import resource
except ImportError:  # not on Windows, where handlers are tested, not run
    resource = None  # type: ignore[assignment]

_MB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class _Peak:
    """The highest resident size that has been seen, in KiB; a rise belongs to the invocation that finds it."""

    seen = 0


def usage() -> tuple[float, int]:
    """Return the process's CPU seconds and its peak resident size in KiB (getrusage(2)); 0 where that is unknown."""
    if resource is None:
        return time.process_time(), 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss


def note_peak() -> None:
    """Take the peak as it stands for something that was reached before the next invocation."""
    _Peak.seen = usage()[1]


def memory_mb(peak_kib: int) -> float | None:
    """Return the MB that the invocation which ends now can be said to have needed, or `None` where it's unknown.

    Args:
        peak_kib: the process's peak as it is now.
    """
    if peak_kib > _Peak.seen:
        _Peak.seen = peak_kib
        return peak_kib / 1024
    return resident_mb()


class _Statm:
    """`/proc/self/statm`, kept open: opening it costs four times as much as reading it."""

    file: int | None = None
    pid = 0


def resident_mb() -> float | None:
    """Return the resident set size in MB (`/proc/self/statm`, second field), or `None` where there is no /proc."""
    try:
        if _Statm.file is None or _Statm.pid != os.getpid():  # a forked child's would be its parent's
            _Statm.file, _Statm.pid = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC), os.getpid()
        return int(os.pread(_Statm.file, 96, 0).split(None, 2)[1]) * _PAGE / _MB
    except OSError:
        _Statm.file = None  # somebody closed it; opened anew the next time
        return None


def age_ms() -> float | None:
    """Return the milliseconds since the process began (`/proc/self/stat`, field 22), or `None` where unknown."""
    try:
        with open("/proc/self/stat", "rb", buffering=0) as stat:  # noqa: PTH123 - as above
            started = int(stat.read(1024).rpartition(b")")[2].split()[19]) / _TICKS
        return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000
    except (OSError, AttributeError, ValueError, IndexError):
        return None
