"""Peak memory of processes, from the kernel's own high-water marks (VmHWM in /proc)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_EVERY = 0.1  # s


@dataclass
class Peaks:
    """MB: this process, and the largest of its children."""

    own: float = 0.0
    child: float = 0.0


def high_water(process: int | str = "self") -> float:
    """Peak memory of a process so far, MB; 0 if it has ended, or is a child that has not yet started its own program.

    Such a child shares the memory and the mark of its parent.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return 0.0
    if process != "self" and words == Path("/proc/self/cmdline").read_bytes():
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


@contextmanager
def watched() -> Iterator[Peaks]:
    """Peaks of this process and of its children and theirs, filled in at the end.

    They are read every tenth of a second: unlike the inherited ru_maxrss, the mark is each process's own.
    """
    peaks, ended = Peaks(), threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY):
            children = [str(child.pid) for child in psutil.Process().children(recursive=True)]
            peaks.child = max([peaks.child, *map(high_water, children)])

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()
        peaks.own = high_water()
