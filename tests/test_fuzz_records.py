"""Every record on disk, damaged: any command ends with an exit code and at most one error line."""

import json
import shutil

import numpy as np
import pytest
from helpers.data_and_run import DATA_RECORDS, RUN_RECORDS, commands, run, write_data_and_run
from helpers.fuzz import fuzzed, odd_record
from helpers.pair_files import tree
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_data_and_run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("name", ["dataset", "blur", "train", "report", "compare"])
@fuzzed(8)
@given(data=st.data())
def test_damaged_record_is_one_line_at_most(whole, tmp_path_factory, capsys, name, data):
    folder = tmp_path_factory.mktemp("copy") / "folder"
    shutil.copytree(whole, folder, symlinks=True)
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
    for words in commands(folder).values():
        assert run(capsys, *words) == (0, [])
    scores = json.loads((folder / "runs/run/evaluation/disc-r30/metrics.json").read_text())
    assert np.isfinite(scores["rows"]["restored"]["psnr_db"])
