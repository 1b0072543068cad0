"""Memory and CPU, as measured by the process itself.

The kernel's peak (`ru_maxrss`) covers the whole life of the process: in a warm environment, an earlier invocation
may have reached it. If the peak has risen since the last reading, this invocation reached it, and the peak is
reported as its memory; otherwise the resident size at the end is the best estimate. Lambda's own figure
("Max Memory Used") is that of the environment, including runtime and extensions, and never goes down.
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any, Final

try:
    import resource as _resource
except ImportError:  # missing on Windows, where handlers are only tested
    _resource = None  # type: ignore[assignment]

resource: Any = _resource  # type checkers assume that it's never None

_MB = 1024 * 1024
_PEAKS_IN_A_MB: Final = _MB if sys.platform == "darwin" else 1024  # `getrusage` counts bytes on macOS
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def _boot_clock() -> Callable[[], float]:
    """Return the clock that `/proc` uses, bound at import: a test that patches `time` doesn't affect us."""
    if sys.platform != "linux":
        return process_time
    return partial(time.clock_gettime, time.CLOCK_BOOTTIME)


_since_boot: Final = _boot_clock()


class _Seen:
    """The most recent readings.

    Attributes:
        peak: the highest resident size, in the system's unit; a rise is attributed to the invocation that sees it.
        faults: page faults up to then; without a new one, the resident size can't have grown.
        resident_mb: the resident size.
    """

    peak = 0
    faults = -1
    resident_mb: float | None = None


def note_peak() -> None:
    """Attribute the current peak to the time before the next invocation."""
    if resource is not None:
        _Seen.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def used(cpu_s: float) -> tuple[float, float | None]:
    """Return the CPU time in ms since `cpu_s`, and the memory in MB used by the invocation that is ending.

    Args:
        cpu_s: `time.process_time` at its start.
    """
    if resource is None:
        return (process_time() - cpu_s) * 1000, resident_mb()
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ms = max(0.0, now.ru_utime + now.ru_stime - cpu_s) * 1000
    if now.ru_maxrss > _Seen.peak:
        _Seen.peak = now.ru_maxrss
        return cpu_ms, now.ru_maxrss / _PEAKS_IN_A_MB
    if now.ru_minflt != _Seen.faults or _Seen.resident_mb is None:
        _Seen.faults, _Seen.resident_mb = now.ru_minflt, resident_mb()
    return cpu_ms, _Seen.resident_mb


class _Statm:
    """`/proc/self/statm`, kept open: opening it costs four times as much as reading it."""

    file: int | None = None
    pid = 0


def resident_mb() -> float | None:
    """Return the resident set size in MB (`/proc/self/statm`, second field), or `None` if there is no /proc."""
    if sys.platform == "win32":
        return None
    for _ in range(2):
        try:
            if _Statm.file is None or _Statm.pid != os.getpid():  # in a forked child, it is the parent's
                _Statm.file, _Statm.pid = os.open("/proc/self/statm", os.O_RDONLY), os.getpid()
            return int(os.pread(_Statm.file, 96, 0).split(None, 2)[1]) * _PAGE / _MB
        except (OSError, ValueError, IndexError):
            _Statm.file = None  # other code closed it, and its descriptor may be another file's by now
    return None


def age_ms() -> float | None:
    """Return the milliseconds since the process started (`/proc/self/stat`, field 22), or `None` if unknown."""
    try:
        with open("/proc/self/stat", "rb", buffering=0) as stat:  # noqa: PTH123 - as above
            started = int(stat.read(1024).rpartition(b")")[2].split()[19]) / _TICKS
        return (_since_boot() - started) * 1000
    except (OSError, AttributeError, ValueError, IndexError):
        return None
