"""Runs one function over many items in a few threads, and hands on what they bring as it comes."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_RESULT, _ERROR, _END = object(), object(), object()


def in_threads(
    work: Callable[[Item], Iterable[Result]],
    items: Iterable[Item],
    num_threads: int,
    stop: threading.Event,
    expected_errors: type[Exception],
) -> Iterator[tuple[Item, Result | Exception]]:
    """(item, result) for every result of `work(item)`, in order of completion.

    The threads run at most 2 * `num_threads` results ahead of the caller. They are daemons, not a
    ThreadPoolExecutor's, which the interpreter waits for: a server that has fallen silent must not
    hold up Ctrl-C.

    Args:
        work: called in a thread; brings any number of results for its item.
        items: taken one by one, when a thread is free; may end early.
        stop: set by the caller to end the threads.
        expected_errors: handed on in place of a result; the item brings no more then.

    Raises:
        BaseException: any other that `work` raised.
    """
    items, lock = iter(items), threading.Lock()
    results: queue.Queue = queue.Queue(maxsize=2 * num_threads)

    def take() -> Any:
        with lock:
            return _END if stop.is_set() else next(items, _END)

    def put(kind: object, item: object, result: object) -> None:
        is_put = False
        while not is_put and not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put((kind, item, result), timeout=0.1)
                is_put = True

    def run() -> None:
        try:
            while (item := take()) is not _END:
                for result in _results(work, item, expected_errors):
                    put(_RESULT, item, result)
            put(_END, None, None)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            put(_ERROR, None, error)

    for _ in range(num_threads):
        threading.Thread(target=run, daemon=True).start()
    yield from _until_all_ended(results, num_threads)


def _until_all_ended(results: queue.Queue, num_running: int) -> Iterator[tuple]:
    """What the threads put into the queue, until each has said that it is done."""
    while num_running:
        kind, item, result = results.get()
        if kind is _ERROR:
            raise result
        if kind is _END:
            num_running -= 1
        else:
            yield item, result


def _results(
    work: Callable[[Item], Iterable[Result]], item: Item, expected_errors: type[Exception]
) -> Iterator[Result | Exception]:
    try:
        yield from work(item)
    except expected_errors as error:
        yield error
