"""Parts of a data set, made by several machines: joined, they are what one machine makes."""

import os
import signal
import subprocess
import sys

import pytest
from helpers.pair_files import ROOT, tree, write_photos

import pipeline
from prepare.records.data_folder import DataFolder, Part, read_manifest
from prepare.records.files import FolderInUseError, only_writer

NAMES = [f"{number:02d}.png" for number in range(12)]


def words_of(data_dir, photos, *more):
    words = ["dataset", "--data-dir", data_dir, "--num-images", 10, "--source", "folder"]
    words += ["--from", photos, "--size", 32, "--radius", "10-40", "--workers", 1, *more]
    return [str(word) for word in words]


@pytest.fixture
def photos(tmp_path):
    """Twelve photographs; the third cannot be read."""
    folder = write_photos(tmp_path / "photos", NAMES)
    (folder / "02.png").write_bytes(b"no photograph")
    return folder


@pytest.fixture
def at_once(tmp_path, photos):
    """The files of a data folder that one machine made."""
    assert pipeline.main(words_of(tmp_path / "at once", photos)) == 0
    return files_of(tmp_path / "at once")


def files_of(data_dir):
    """What a data folder holds, but for locks and links."""
    files = tree(data_dir)
    return {
        name: content
        for name, content in files.items()
        if ".lock" not in str(name) and "originals" not in str(name)
    }


def test_every_image_is_in_one_part():
    ids = [f"{number:05d}" for number in range(4000)]
    for of in (1, 2, 8):
        parts = [{i for i in ids if Part(k, of).holds(i)} for k in range(1, of + 1)]
        assert sorted(image_id for part in parts for image_id in part) == ids
        assert all(len(part) == pytest.approx(len(ids) / of, rel=0.15) for part in parts)


def test_parts_are_joined_to_what_one_machine_makes(tmp_path, photos, at_once, capsys):
    data_dir = tmp_path / "data"
    for number in (3, 1, 2):
        assert pipeline.main(words_of(data_dir, photos, "--part", f"{number}/3")) == 0
        assert pipeline.main(words_of(data_dir, photos, "--part", f"{number}/3")) == 0
        assert f"part-{number}-of-3: " in capsys.readouterr().out
    assert not DataFolder(data_dir).manifest.exists()
    num_parts = [len(read_manifest(DataFolder(data_dir, Part(k, 3)).manifest)) for k in (1, 2, 3)]
    assert sum(num_parts) == 9  # one of the first ten cannot be read
    assert pipeline.main(words_of(data_dir, photos)) == 0
    assert "3 parts are joined\n9 pairs are there, 1 to make" in capsys.readouterr().out
    assert files_of(data_dir) == at_once


def test_parts_run_at_the_same_time_and_one_may_be_killed(tmp_path, photos, at_once):
    data_dir = tmp_path / "data"
    command = [sys.executable, "pipeline.py"]
    parts = [words_of(data_dir, photos, "--part", f"{k}/3") for k in (1, 2, 3)]
    running = [subprocess.Popen([*command, *words], cwd=ROOT) for words in parts]
    os.kill(running[1].pid, signal.SIGKILL)
    assert [process.wait(timeout=200) for process in running][::2] == [0, 0]
    assert pipeline.main(parts[1]) == 0
    assert pipeline.main(words_of(data_dir, photos)) == 0
    assert files_of(data_dir) == at_once


def test_what_a_lost_part_lacks_is_made_when_they_are_joined(tmp_path, photos, at_once):
    data_dir = tmp_path / "data"
    assert pipeline.main(words_of(data_dir, photos, "--part", "2/3")) == 0
    assert pipeline.main(words_of(data_dir, photos)) == 0
    assert files_of(data_dir) == at_once


def test_pairs_of_the_whole_are_not_made_again(tmp_path, photos, at_once, capsys):
    assert pipeline.main(words_of(tmp_path / "at once", photos, "--part", "1/1")) == 0
    assert "part-1-of-1: 9 pairs are there, 1 to make" in capsys.readouterr().out
    assert pipeline.main(words_of(tmp_path / "at once", photos)) == 0
    assert files_of(tmp_path / "at once") == at_once


def test_parts_and_the_whole_keep_each_other_out(tmp_path):
    with only_writer(tmp_path, "the first", "part-1-of-2"):
        with only_writer(tmp_path, "the second", "part-2-of-2"):
            pass
        with pytest.raises(FolderInUseError, match="the first"), only_writer(tmp_path, "all"):
            pass
        with (
            pytest.raises(FolderInUseError, match="the first"),
            only_writer(tmp_path, "again", "part-1-of-2"),
        ):
            pass
    with only_writer(tmp_path, "all"):
        pass


@pytest.mark.parametrize("text", ["0/8", "9/8", "1/0", "2", "a/b", "-1/8", "1/8/2"])
def test_part_that_there_is_not_is_refused(text, capsys):
    with pytest.raises(SystemExit) as raised:
        pipeline.main(["dataset", "--num-images", "1", f"--part={text}"])
    assert raised.value.code == 2
    assert "expected a part as in 2/8" in capsys.readouterr().err


def test_clean_pairs_removes_records_of_parts(tmp_path, photos):
    assert pipeline.main(words_of(tmp_path / "data", photos, "--part", "1/2")) == 0
    assert pipeline.main(["clean-pairs", "--data-dir", str(tmp_path / "data")]) == 0
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert not {name for name in left if "jsonl" in name}
