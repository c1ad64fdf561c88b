"""The notebook is run from top to bottom, as a reader runs it, in a bare copy of the checkout."""

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from helpers.pair_files import ROOT
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NOTEBOOK = "docs/pix2pix_deblurrer.ipynb"
COPIED = ("Makefile", "pipeline.py", "prepare", "train", "requirements", NOTEBOOK)
COPIED += ("tf_checkpoints/pretrained",)
SMALL = "N=8 STEPS=3 CHANNELS=8 BLOCKS=2 SIZE=64 CROP=32 GAN_WEIGHT=0"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy with nothing made yet, set up with the packages that run this test."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.startswith("ready-"):
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/ready-cpu").touch()
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def text_of(cell):
    """What a cell printed."""
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(checkout):
    notebook = nbformat.read(checkout / NOTEBOOK, as_version=4)
    cells = notebook.cells
    parameters = next(k for k, cell in enumerate(cells) if cell.id == "settings")
    cells.insert(parameters + 1, new_code_cell(f"DEMO = {SMALL!r}"))
    for cell in cells:
        if cell.cell_type == "code" and re.search("^ *!", cell.source, re.MULTILINE):
            cell.source += "\nassert not globals().get('_exit_code'), _exit_code"
    where = {"metadata": {"path": str(checkout / "docs")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()

    by_id = {cell.id: cell for cell in cells}
    evaluation = checkout / "tf_checkpoints/demo/demo/evaluation/disc-r30"
    rows = json.loads((evaluation / "metrics.json").read_text())["rows"]
    told = re.findall(r"^(\w+) +(-?[\d.]+) dB", text_of(by_id["figures"]), re.MULTILINE)
    assert told == [(name, f"{row['psnr_db']:.2f}") for name, row in rows.items()]
    assert "pretrained, step" in text_of(by_id["restore"])
    assert len(list((checkout / "restored").glob("*-compare.jpg"))) == 1
    for name in ("pictures", "compare"):
        assert any("<img" in output["data"]["text/html"] for output in by_id[name].outputs)
