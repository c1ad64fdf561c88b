"""Runs a function over many items in worker processes, and returns the results in order.

Processes, not threads: drawing a picture, or undoing the filters of a PNG, holds Python's lock.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from prepare import PrepareError

ITEMS_AHEAD = 4  # a worker: where one item takes long, the others do not wait
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # see mallopt(3)
MOST_KEPT_BYTES, LARGEST_KEPT_BYTES = 1 << 26, 1 << 25  # the latter is the most that can be


def in_order(
    work: Callable[..., Any],
    items: Iterable[tuple[Any, tuple]],
    num_workers: int,
    num_wanted: Callable[[], int],
    expected_errors: type[Exception],
) -> Iterator[tuple[Any, Any]]:
    """(item, result) for each item, in the order of the items, whichever is ready first.

    Args:
        work: a function of a module, called with the arguments of an item, in another process.
        items: (item, arguments); pulled one by one, never more than can still be wanted.
        num_workers: processes. One is this process itself.
        num_wanted: the largest number of further results.
        expected_errors: returned in place of a result.

    Raises:
        PrepareError: if a worker was killed; errors of `items` follow after all their results.
    """
    source, ended = iter(items), None
    running: deque[tuple[Any, Future]] = deque()
    with executor(num_workers) as pool:
        try:
            while True:
                room = min(num_wanted(), ITEMS_AHEAD * num_workers) - len(running)
                is_ready = bool(running) and running[0][1].done()
                if not ended and room > 0 and not is_ready:
                    try:
                        item, arguments = next(source)
                        running.append((item, submit(pool, work, arguments)))
                    except (StopIteration, PrepareError) as error:
                        ended = error
                    continue
                if not running:
                    break
                item, future = running.popleft()
                try:
                    result = future.result()
                except expected_errors as error:
                    result = error
                yield item, result
        except BrokenProcessPool as error:
            raise PrepareError(
                f"a worker process was killed ({error}); if memory ran out, use fewer (WORKERS=1)"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    if isinstance(ended, PrepareError):
        raise ended


def executor(num_workers: int) -> Executor:
    """What runs the work: this process itself, or several."""
    if num_workers == 1:
        keep_freed_memory()
        return ThisProcess()
    # Windows has no fork server, and passes over what it would load.
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    # Loaded once, where no thread holds a lock, for all workers; those that are here are needed.
    context.set_forkserver_preload(sorted(m for m in sys.modules if m.startswith("prepare.")))
    return ProcessPoolExecutor(num_workers, context, initializer=begin_worker)


class ThisProcess(Executor):
    """Does at once what it is given."""

    def submit(self, work: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised again by its future
            future.set_exception(error)
        return future


def submit(pool: Executor, work: Callable, arguments: tuple) -> Future:
    """Hands on work; starts a worker, too, as long as there are fewer than wanted."""
    if sys.platform == "win32":
        return pool.submit(work, *arguments)
    # Ctrl-C reaches all processes of a terminal. What a thread blocks, those it starts block, too.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        return pool.submit(work, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def begin_worker() -> None:
    """Prepares a worker, which ends with its parent: it would wait for work for good."""

    def end_with_parent() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        wait([parent.sentinel])
        os._exit(1)

    keep_freed_memory()
    threading.Thread(target=end_with_parent, daemon=True).start()


def keep_freed_memory() -> None:
    """Lets this process keep the memory of one photograph for the next, where it is glibc's.

    Else the system takes back each large piece, and clears each page of it when it is asked for
    again: a third of all the time that a photograph takes.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, MOST_KEPT_BYTES)
