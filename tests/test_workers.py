"""Work in processes: results in their order, no more than wanted, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prepare import PrepareError
from prepare.workers import LostWorkerError, in_order


def slept(number, seconds):
    time.sleep(seconds)
    if number < 0:
        raise LookupError(f"{number} is negative")
    return number, os.getpid()


def killed(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_results_and_expected_errors_come_in_the_order_of_the_items(num_workers):
    numbers = [0, 1, -2, 3, 4, 5, 6, 7]
    items = [(n, (n, 0.2 if n == 0 else 0.0)) for n in numbers]
    results = list(in_order(slept, items, num_workers, lambda: 99, LookupError))
    assert [item for item, _ in results] == numbers
    assert isinstance(results.pop(2)[1], LookupError)
    assert all(item == number for item, (number, _) in results)
    assert (os.getpid() in {pid for _, (_, pid) in results}) == (num_workers == 1)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_no_more_is_pulled_than_can_be_wanted(num_workers):
    pulled, done = [], []

    def items():
        for number in range(100):
            pulled.append(number)
            yield number, (number, 0.0)

    for item, _ in in_order(slept, items(), num_workers, lambda: 5 - len(done), LookupError):
        done.append(item)
    assert done == pulled == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_failure_of_the_source_comes_after_what_it_gave(num_workers):
    def items():
        yield 0, (0, 0.1)
        yield 1, (1, 0.0)
        raise PrepareError("no more")

    results = in_order(slept, items(), num_workers, lambda: 99, LookupError)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(PrepareError, match="no more"):
        next(results)


def test_killed_worker_is_told():
    with pytest.raises(LostWorkerError, match="WORKERS=1"):
        list(in_order(killed, [(0, (0,))], 2, lambda: 99, LookupError))


def test_workers_end_with_a_parent_that_is_killed():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_workers import slept\n"
        "from prepare.workers import in_order\n"
        "for item, (_, pid) in in_order(slept, ((n, (n, 0.0)) for n in range(10**6)), 2,\n"
        "                               lambda: 10**6, LookupError):\n"
        "    print(pid, flush=True)\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE) as parent:
        pids = {int(parent.stdout.readline()) for _ in range(50)}
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
