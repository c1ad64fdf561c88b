"""How many tests run at a time, and what several files of tests need."""

import os
import shutil
import signal

import pytest
from helpers.make_calls import write_clone
from helpers.pair_files import write_matched_folders, write_photos

MOST_WORKERS = 4  # one that has met TensorFlow holds about 1 GB

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:  # by `nohup .. &`; children inherit it
        signal.signal(number, lambda *_: None)


def pytest_xdist_auto_num_workers(config):
    """As many processes as there are cores and files; none beside this one for a single file.

    A process takes a second to start, which one test does not win back.
    """
    places = {argument.partition("::")[0] for argument in config.args}
    files = [place for place in places if place.endswith(".py")]
    num_files = len(files) if len(files) == len(places) else MOST_WORKERS
    num_workers = min(num_files, os.cpu_count() or 1, MOST_WORKERS)
    return num_workers if num_workers > 1 else 0


def pytest_collection_modifyitems(items):
    """Files with slow tests first: begun last, one of them would keep a single process busy."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def clone(tmp_path):
    """A folder that make takes for a clone, whose Python notes how it is called."""
    return write_clone(tmp_path)


@pytest.fixture
def photos(tmp_path):
    """A folder of ten small photographs, 00.png to 09.png."""
    return write_photos(tmp_path / "photos", [f"{index:02d}.png" for index in range(10)])


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Ten pairs of 32 pixels."""
    from helpers.runs import IDS  # which meets TensorFlow

    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


@pytest.fixture(scope="session")
def finished(data_dir, tmp_path_factory):
    """A run of 4 steps without a break; to be left as it is."""
    from helpers.runs import run

    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    assert run(run_dir, data_dir) is True
    return run_dir


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")
