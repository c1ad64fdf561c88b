"""A record that the system does not give: one line with the file and the way out."""

import builtins
import io
import os
import shutil

import pytest
from helpers.data_and_run import commands, run, write_data_and_run

from train.run import DamagedSettingsError, Run

RUN = "runs/run"
READ_BY = [
    *(("data/manifest.jsonl", name) for name in ("dataset", "blur", "train")),
    ("data/rejected.jsonl", "dataset"),
    *(("data/blurred_resized/disc-r30/kernel.json", name) for name in ("dataset", "train")),
    ("data/blurred_resized/disc-r10-40/kernel.json", "blur"),
    *((f"{RUN}/settings.json", name) for name in ("train", "report")),
    (f"{RUN}/log.csv", "report"),
    *((f"{RUN}/evaluation/disc-r30/metrics.json", name) for name in ("report", "compare")),
    *((f"{RUN}/evaluation/disc-r30/per_image.csv", name) for name in ("report", "compare")),
    (f"{RUN}/evaluation/curve.json", "report"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_data_and_run(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "folder", symlinks=True)


def refuse(monkeypatch, refused):
    """Lets no one open a file, as its permissions would for anyone but root."""

    def guarded(really_open):
        def opened(path, *arguments, **options):
            if not isinstance(path, int) and os.fspath(path) == os.fspath(refused):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return really_open(path, *arguments, **options)

        return opened

    for module in (os, io, builtins):
        monkeypatch.setattr(module, "open", guarded(module.open))


def assert_one_line(capsys, folder, record, words):
    code, errors = run(capsys, *words)
    assert code == 1
    [line] = errors
    assert f"{folder / record} " in line
    assert "; " in line  # what can be done
    return line


@pytest.mark.parametrize(("record", "name"), READ_BY)
def test_record_without_permission_is_named(folder, capsys, monkeypatch, record, name):
    # Another that is to be made has to look at those that are there.
    if (record, name) == ("data/rejected.jsonl", "dataset"):
        (folder / "data/not_blurred_resized/00.jpg").unlink()
    with monkeypatch.context() as patch:
        refuse(patch, folder / record)
        line = assert_one_line(capsys, folder, record, commands(folder)[name])
    assert "Permission denied" in line


@pytest.mark.parametrize(("record", "name"), READ_BY)
def test_folder_in_the_place_of_a_record_is_named_and_kept(folder, capsys, record, name):
    if (record, name) == ("data/rejected.jsonl", "dataset"):
        (folder / "data/not_blurred_resized/00.jpg").unlink()
    (folder / record).unlink()
    (folder / record).mkdir()
    (folder / record / "mine").write_text("mine")
    assert_one_line(capsys, folder, record, commands(folder)[name])
    assert (folder / record / "mine").read_text() == "mine"


def test_run_in_a_folder_without_permission_is_not_begun_anew(folder, monkeypatch):
    def refused(path, **_):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "stat", refused)
        with pytest.raises(
            DamagedSettingsError, match=r"settings.json cannot be read \(Perm.*; make"
        ):
            _ = Run(folder / RUN).record
