"""What a terminal shows while TensorFlow loads."""

import os
import subprocess
import sys

from helpers.pair_files import ROOT


def test_a_terminal_is_told_while_tensorflow_loads_and_left_clean():
    master, slave = os.openpty()
    code = "from train.devices import load_tensorflow; load_tensorflow()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=slave, check=True, timeout=300)
    assert os.read(master, 100_000) == b"loading TensorFlow ..\r\x1b[K"
    for end in (master, slave):
        os.close(end)
