"""The command line beside other programs: pipes that close early, terminals that know ASCII."""

import os
import subprocess

from helpers.command_line import command
from helpers.pair_files import write_photos


def test_output_that_nobody_reads_on_ends_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("dataset", "--num-images", 3, "--source", "sample", "--data-dir", tmp_path)
    done = subprocess.run(
        command(*arguments, "--dry-run"), stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_name_that_a_terminal_cannot_show_is_shown_in_its_letters(tmp_path):
    folder = write_photos(tmp_path / "Zoë", ["a.png"])
    arguments = ("dataset", "--num-images", 3, "--source", "folder", "--from", folder)
    done = subprocess.run(
        command(*arguments, "--data-dir", tmp_path / "data"),
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: --num-images asks for 3, but --from ")
    assert "Zo\\xeb holds 1" in done.stderr
