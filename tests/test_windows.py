"""What Windows lacks is taken away from this system, and the commands do the same."""

import subprocess
import sys
from types import SimpleNamespace

from helpers.command_line import run
from helpers.pair_files import ROOT, tree, write_photos
from helpers.pair_writing import words_of_dataset

from prepare import workers

# First the libraries, which look once at what the system is.
AS_WINDOWS = """
import cv2, filelock, multiprocessing.connection, onnxruntime, os, pi_heif, pyvips, requests
import scipy.fft, signal, sys, tqdm
sys.modules["fcntl"] = None
for module in os, signal:
    for name in "O_NOFOLLOW sync set_blocking killpg SIGPIPE SIGKILL SIGHUP".split():
        vars(module).pop(name, None)
sys.platform = "win32"
import pipeline
sys.exit(pipeline.main(sys.argv[1:]))
"""


def test_commands_leave_the_same_and_name_no_make(tmp_path, monkeypatch):
    photos = write_photos(tmp_path / "photos", [f"{number:02d}.png" for number in range(20)])

    def as_windows(*words):
        command = [sys.executable, "-c", AS_WINDOWS, *map(str, words)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    here = words_of_dataset(tmp_path / "here", photos, 18, "--workers", 2)
    with monkeypatch.context() as patch:  # workers that start without a fork server
        patch.setattr(workers, "sys", SimpleNamespace(platform="win32", modules=sys.modules))
        run(*here)
    run("deblur", photos / "00.png", "--out", tmp_path / "here" / "restored")
    assert as_windows(*words_of_dataset(tmp_path / "there", photos, 18, "--workers", 1)).stdout
    assert as_windows("deblur", photos / "00.png", "--out", tmp_path / "there" / "restored").stdout
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert "run `python pipeline.py dataset`" in as_windows("train", f"DATA={tmp_path}").stderr
