"""Runs commands of the command line in forks of one process, and kills some of them.

Loading TensorFlow takes longer than what is tested, so this program loads it once; forks start it.
Reads jobs as JSON lines, each {"words": .., "watch": folder, "kill_after": changes or null}, and
answers each with {"code": .., "changes": ..}.
"""

import contextlib
import json
import os
import signal
import sys
import time

import pipeline
from train.devices import load_tensorflow


def state_of(folder: str) -> set[tuple[str, int]]:
    """Every file below a folder, and its size."""
    found = set()
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # renamed or removed meanwhile
                found.add((name, os.stat(f"{place}/{name}").st_size))
    return found


def run(words: list[str], watch: str, kill_after: int | None) -> dict[str, int]:
    """Exit code of a command (-9 when killed), and how often what it writes changed."""
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)  # answers alone go to standard output
        os._exit(pipeline.main(words))
    changes, state = 0, state_of(watch)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return {"code": os.waitstatus_to_exitcode(status), "changes": changes}
        now = state_of(watch)
        changes, state = changes + (now != state), now
        if kill_after is not None and changes >= kill_after:
            os.kill(child, signal.SIGKILL)
            kill_after = None
        time.sleep(0.005)


def main() -> None:
    """Answers jobs until there are no more."""
    load_tensorflow()
    import train.checkpoints
    import train.export.export  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
