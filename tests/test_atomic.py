import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.pair_files import ROOT, photo_u8
from PIL import Image

from prepare.records.files import atomic_file, write_json, write_text
from train.dataset import read_picture, write_picture


def test_file_appears_with_its_folder_and_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "first, long line\r\n")
    write_text(path, "Zoë\n")
    assert path.read_bytes() == "Zoë\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail():
        with atomic_file(path) as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_reader_never_sees_half_a_file(tmp_path):
    """A process writes two contents in turn until it is killed; only whole ones are ever there."""
    path, size = tmp_path / "file", 300_000
    program = (
        "import itertools, pathlib, sys; from prepare.records.files import write_text\n"
        f"for each in itertools.cycle('ab'): write_text(pathlib.Path(sys.argv[1]), each * {size})"
    )
    process = subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT)
    until_s, seen = time.monotonic() + 20, set()
    while len(seen) < 2 and time.monotonic() < until_s:
        if path.exists():
            seen.add(path.read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
    assert seen | {path.read_text()} == {"a" * size, "b" * size}


def test_json_is_readable_and_refuses_what_json_cannot_say(tmp_path):
    write_json(tmp_path / "a.json", {"psnr_db": 28.5, "ids": ["1"]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"psnr_db": 28.5, "ids": ["1"]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"psnr_db": math.nan})
    assert not (tmp_path / "b.json").exists()


def test_png_comes_back_exactly(tmp_path):
    picture = photo_u8(0, 20, 31)
    write_picture(tmp_path / "a.PNG", picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.PNG"), picture)


def test_jpeg_comes_back_nearly_with_full_chroma(tmp_path):
    picture = photo_u8(0, 32, 48)
    write_picture(tmp_path / "a.jpg", picture)
    back = read_picture(tmp_path / "a.jpg")
    assert back.shape == picture.shape
    assert np.abs(back.astype(float) - picture).mean() < 3
    with Image.open(tmp_path / "a.jpg") as image:
        assert len({(h, v) for _, h, v, _ in image.layer}) == 1


def test_grey_picture_is_read_as_rgb(tmp_path):
    Image.new("L", (5, 4), 77).save(tmp_path / "grey.png")
    picture = read_picture(tmp_path / "grey.png")
    assert picture.shape == (4, 5, 3)
    assert picture.dtype == np.uint8
    assert np.all(picture == 77)
