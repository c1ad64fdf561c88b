"""What our libraries would report of themselves, and do not."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import run
from helpers.pair_files import ROOT, write_photos
from helpers.plain_run import write_plain_run


def test_onnx_runtime_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps the number of its session in a hidden file where it reports."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    photos = write_photos(tmp_path / "photos", ["a.png"])
    write_plain_run(tmp_path / "runs" / "run-01")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    run("deblur", photos, "--runs-dir", tmp_path / "runs", "--out", tmp_path / "out")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("module", ["onnx_file", "engine"])
def test_it_is_told_before_it_is_loaded(module: str) -> None:
    code = f"import os, sys\nimport train.restore.{module}\n"
    code += "assert 'onnxruntime' in sys.modules\nassert os.environ['ORT_DISABLE_TELEMETRY']"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
