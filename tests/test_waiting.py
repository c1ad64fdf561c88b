"""The line of work that cannot tell how far it is: on a terminal, and nowhere else."""

import io
import os
import subprocess
import sys

import pytest
from helpers.pair_files import ROOT

from train.waiting import waiting


@pytest.fixture
def ends():
    """The two ends of a terminal: what reads, and what is written to as to a screen."""
    master, slave = os.openpty()
    yield master, slave
    for end in (master, slave):
        os.close(end)


def test_a_terminal_counts_the_seconds_and_is_left_clean(ends):
    master, slave = ends
    with open(slave, "w", closefd=False) as terminal:
        with waiting("loading", terminal, interval_s=0.01):
            assert os.read(master, 1000).startswith(b"\rloading: 0 s")
        assert os.read(master, 1000).endswith(b"\r\x1b[K")


def test_a_failure_passes_and_ends_the_line(ends):
    master, slave = ends
    with open(slave, "w", closefd=False) as terminal:
        with pytest.raises(ValueError, match="no"), waiting("loading", terminal):
            raise ValueError("no")
        assert os.read(master, 1000) == b"\r\x1b[K"


def test_nothing_is_told_but_to_a_terminal():
    file = io.StringIO()
    with waiting("loading", file, interval_s=0):
        pass
    assert file.getvalue() == ""


def test_tensorflow_is_told_of_while_it_loads(ends):
    master, slave = ends
    code = "from train.quiet_tensorflow import load_tensorflow; load_tensorflow()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=slave, check=True, timeout=300)
    told = os.read(master, 100_000)
    assert told.startswith(b"\rloading TensorFlow: ")
    assert told.endswith(b"\r\x1b[K")
