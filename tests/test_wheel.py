"""The project without a clone: installed, and called from a folder of the user's."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.command_line import run
from helpers.pair_files import ROOT, write_photos
from PIL import Image


@pytest.mark.slow
def test_what_is_installed_restores_without_a_clone_or_tensorflow(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True, timeout=120)
    programs = tmp_path / "env" / "bin"
    install = [programs / "python", "-m", "pip", "install", "--no-compile", ROOT]
    done = subprocess.run(install, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    user = write_photos(tmp_path / "user", ["a b.png"], height=64)

    def typed(*words):
        words = [programs / "pix2pix-deblurrer", *words]
        return subprocess.run(words, cwd=user, capture_output=True, text=True, timeout=120)

    assert typed("deblur", "IN=a b.png", "MAP=1").returncode == 0
    run("deblur", user / "a b.png", "--out", tmp_path / "ours")
    pictures = [user / "restored" / "a b.png", tmp_path / "ours" / "a b.png"]
    restored, ours = (np.asarray(Image.open(path), np.int16) for path in pictures)
    assert abs(restored - ours).max() <= 1  # of libraries that are perhaps newer
    for words, error in {
        ("deblur", "OUT=x"): "see `pix2pix-deblurrer deblur --help`",
        ("deblur", "IN=a b.png", "OUT=."): "a b.png would be overwritten; name another folder (OUT",
        ("dataset", "N=2"): 'run `python -m pip install "pix2pix-deblurrer[train]"`',
    }.items():
        assert error in typed(*words).stderr
    code = "from pix2pix_deblurrer.train.restore import restore_photograph as restore; "
    code += "print(restore('a b.png').shape)"
    called = subprocess.run([programs / "python", "-c", code], cwd=user, capture_output=True)
    assert called.stdout == b"(64, 64, 3)\n"
    assert sorted(path.name for path in user.iterdir()) == ["a b.png", "restored"]
