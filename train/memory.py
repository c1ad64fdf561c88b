"""How much memory is free, and what would not fit into it."""

import contextlib
from pathlib import Path

from train import TrainError
from train.pairs import Pairs

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
AUTO_SHARE = 0.25  # of the free memory that pictures may take unasked
COPIES = 2  # of all pictures while they are put together


class CacheTooLargeError(TrainError):
    """The pictures that are to be kept in memory do not fit into it."""


def is_cached(pairs: Pairs, cache: str) -> bool:
    """Whether all pictures are to be kept in memory, decoded.

    Args:
        pairs: the pictures.
        cache: "0", "1", or "auto": where that takes at most a quarter of the memory that is free.

    Raises:
        CacheTooLargeError: if they are to be, and do not fit, as far as the system tells.
    """
    num_pictures = len(pairs.ids) * (1 + len(pairs.blurred))
    needed, free = COPIES * num_pictures * 3 * pairs.size**2, free_bytes()
    if cache == "auto":
        return free is not None and needed <= free * AUTO_SHARE
    if cache == "1" and free is not None and needed > free:
        raise CacheTooLargeError(
            f"CACHE=1 takes {needed / 1e9:.1f} GB for {num_pictures} pictures of {pairs.size} "
            f"pixels, and {free / 1e9:.1f} GB of memory are free; leave it out"
        )
    return cache == "1"


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
