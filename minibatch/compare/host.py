"""The machine: its processor, its memory, and what a process took of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

#: What limits the threads of a BLAS and of OpenMP.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def processor() -> str:
    """Return the processor's name, as the system gives it.

    Examples
    --------
    >>> isinstance(processor(), str) and processor() != ""
    True
    """
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """Return the machine in plain words and numbers."""
    return {
        "processor": processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
    }


def threads_environment(threads: int | None) -> dict[str, str]:
    """Return what limits the threads of a BLAS and of OpenMP, for the environment of a process."""
    return {} if threads is None else dict.fromkeys(_THREADS, str(threads))


def restart_peak() -> bool:
    """Forget the peak of this process's memory, where the system can; return whether it did."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def peak_bytes() -> int | None:
    """Return the most memory this process held, since it began or since ``restart_peak``; None if unknown.

    Examples
    --------
    >>> (peak_bytes() or 1) > 0
    True
    """
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def nvidia_driver() -> str | None:
    """Return the version of NVIDIA's driver, or None where there is none to be seen."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split("\n")[0].strip() or None
