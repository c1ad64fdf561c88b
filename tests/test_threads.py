"""Work in threads: everything comes, errors come too, and stopping is prompt."""

import threading
import time

import pytest

from prepare.ffhq.threads import in_threads


def test_every_result_of_every_item_comes():
    results = in_threads(range, [3, 1, 0, 2], 2, threading.Event(), KeyError)
    assert sorted(results) == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]


def test_no_items_no_results():
    assert list(in_threads(range, [], 4, threading.Event(), KeyError)) == []


def test_expected_error_stands_for_its_item_alone():
    def work(item):
        yield item
        if item == 2:
            raise KeyError(item)

    results = list(in_threads(work, [1, 2, 3], 1, threading.Event(), KeyError))
    assert [item for item, _ in results] == [1, 2, 2, 3]
    assert isinstance(results[2][1], KeyError)


def test_other_error_ends_all():
    def work(item):
        raise OSError("disk full")
        yield

    with pytest.raises(OSError, match="disk full"):
        list(in_threads(work, [1, 2, 3], 2, threading.Event(), KeyError))


def test_threads_run_ahead_only_so_far():
    done = []

    def work(item):
        done.append(item)
        yield item

    stop = threading.Event()
    results = in_threads(work, range(100), 2, stop, KeyError)
    next(results)
    time.sleep(0.2)
    assert len(done) <= 1 + 2 * 2 + 2
    stop.set()
