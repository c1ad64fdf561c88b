"""How much memory is free, and what would not fit into it."""

import contextlib
from pathlib import Path

from train import TrainError
from train.pairs import Pairs

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
COPIES = 2  # of all pictures while they are put together


class CacheTooLargeError(TrainError):
    """The pictures that are to be kept in memory do not fit into it."""


def check_cache(pairs: Pairs, cache: bool) -> None:
    """Makes sure that all pictures fit into memory, decoded, if they are to be kept there.

    Raises:
        CacheTooLargeError: if they do not, as far as the system tells.
    """
    num_pictures = len(pairs.ids) * (1 + len(pairs.blurred))
    needed, free = COPIES * num_pictures * 3 * pairs.size**2, free_bytes()
    if cache and free is not None and needed > free:
        raise CacheTooLargeError(
            f"CACHE=1 takes {needed / 1e9:.1f} GB for {num_pictures} pictures of {pairs.size} "
            f"pixels, and {free / 1e9:.1f} GB of memory are free; leave it out"
        )


def free_bytes() -> int | None:
    """Bytes that a process may still take, of the machine or of its control group; None if unknown.

    Reference: proc(5), MemAvailable; the Linux kernel's control group v2, memory.max.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, LookupError):
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" is no limit
        limit = int((CGROUP / "memory.max").read_text())
        found.append(max(0, limit - int((CGROUP / "memory.current").read_text())))
    return min(found, default=None)
