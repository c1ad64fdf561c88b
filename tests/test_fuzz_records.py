"""Every record on disk, damaged: any command ends with an exit code and at most one error line."""

import json
import shutil

import numpy as np
import pytest
from helpers.evaluated import write_evaluated_run
from helpers.fuzz import fuzzed, odd_record
from helpers.pair_files import tree, write_photos
from hypothesis import given
from hypothesis import strategies as st

import pipeline

DATA_RECORDS = [
    "manifest.jsonl",
    "rejected.jsonl",
    "blurred_resized/disc-r30/kernel.json",
    "blurred_resized/disc-r10-40/kernel.json",
    "blurred_resized/disc-r10-40/manifest.jsonl",
]
RUN_RECORDS = [
    "settings.json",
    "log.csv",
    "evaluation/disc-r30/metrics.json",
    "evaluation/disc-r30/per_image.csv",
    "evaluation/curve.json",
]


def run(capsys, *arguments):
    """Exit code and error lines of one command, in this process."""
    code = pipeline.main([str(word) for word in arguments])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert code in (0, 1, 2)
    assert len(errors) == (code > 0)
    return code


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data folder of ten images, two sets and one photograph that was rejected; and a run."""
    folder = tmp_path_factory.mktemp("whole")
    photos = write_photos(folder / "photos", [f"{index:02d}.png" for index in range(12)])
    (photos / "03.png").write_bytes(b"no PNG")
    words = f"dataset --data-dir {folder}/data --num-images 10 --source folder --from {photos}"
    assert pipeline.main([*words.split(), "--size", "32", "--radius", "30", "10-40"]) == 0
    write_evaluated_run(folder / "runs" / "run", folder / "data")
    return folder


def commands(folder):
    where = ["--data-dir", folder / "data"]
    runs = [*where, "--runs-dir", folder / "runs", "--run", "run"]
    photos = ["--source", "folder", "--from", folder / "photos", "--size", 32]
    return {
        "dataset": ["dataset", "--num-images", 10, *photos, "--radius", 30, "10-40", *where],
        "blur": ["blur", "--radius", 20, "--size", 32, *where],
        "train": ["train", "--kernel", "*", "--dry-run", *runs],
        "report": ["report", *runs],
        "compare": ["compare", "--with", "run", "other", *runs],
    }


@pytest.mark.parametrize("name", ["dataset", "blur", "train", "report", "compare"])
@fuzzed(8)
@given(data=st.data())
def test_damaged_record_is_one_line_at_most(whole, tmp_path_factory, capsys, name, data):
    folder = tmp_path_factory.mktemp("copy") / "folder"
    shutil.copytree(whole, folder, symlinks=True)
    shutil.copytree(folder / "runs" / "run", folder / "runs" / "other")
    records = [folder / "data" / file for file in DATA_RECORDS]
    records += [folder / "runs" / "run" / file for file in RUN_RECORDS]
    path = data.draw(st.sampled_from(records))
    path.write_bytes(data.draw(odd_record(path.read_bytes())))
    outside = tree(folder / "photos")
    run(capsys, *commands(folder)[name])
    assert tree(folder / "photos") == outside
    assert {entry.name for entry in folder.iterdir()} == {"photos", "data", "runs"}
    shutil.rmtree(folder.parent)


def test_undamaged_records_serve_every_command(whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "folder", symlinks=True)
    shutil.copytree(folder / "runs" / "run", folder / "runs" / "other")
    for words in commands(folder).values():
        assert run(capsys, *words) == 0
    scores = json.loads((folder / "runs/run/evaluation/disc-r30/metrics.json").read_text())
    assert np.isfinite(scores["rows"]["restored"]["psnr_db"])
