"""Parts of a data set, made by several machines: joined, they are what one machine makes."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from helpers.pair_files import ROOT, tree, write_photos
from helpers.pair_writing import ids_of, reasons_of, words_of_dataset

import pipeline
from prepare.records.data_folder import DataFolder, Part, read_manifest, split_of
from prepare.records.files import FolderInUseError, only_writer


def words_of(data_dir, photos, *more):
    return words_of_dataset(data_dir, photos, 10, "--radius", "10-40", "--workers", 1, *more)


def make(data_dir, photos, part=""):
    assert pipeline.main(words_of(data_dir, photos, *(["--part", part] if part else []))) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twelve photographs, of which the third cannot be read, and what one machine makes of ten."""
    folder = tmp_path_factory.mktemp("whole")
    photos = write_photos(folder / "photos", [f"{number:02d}.png" for number in range(12)])
    (photos / "02.png").write_bytes(b"no photograph")
    make(folder / "data", photos)
    return photos, files_of(folder / "data")


def files_of(data_dir):
    """What a data folder holds, but for locks, and links and what is known of their photographs."""
    files = tree(data_dir).items()
    return {name: content for name, content in files if not name.startswith((".", "originals"))}


def test_every_image_is_in_one_part():
    ids = [f"{number:05d}" for number in range(4000)]
    for of in (1, 2, 8):
        parts = [{i for i in ids if Part(k, of).holds(i)} for k in range(1, of + 1)]
        assert sorted(image_id for part in parts for image_id in part) == ids
        assert all(len(part) == pytest.approx(len(ids) / of, rel=0.15) for part in parts)


def test_parts_are_joined_to_what_one_machine_makes(tmp_path, whole, capsys):
    (photos, at_once), data_dir = whole, tmp_path / "data"
    for number in (3, 1, 2):
        make(data_dir, photos, f"{number}/3")
        make(data_dir, photos, f"{number}/3")
        assert f"part-{number}-of-3: " in capsys.readouterr().out
    assert not DataFolder(data_dir).manifest.exists()
    num_parts = [len(read_manifest(DataFolder(data_dir, Part(k, 3)).manifest)) for k in (1, 2, 3)]
    assert sum(num_parts) == 9  # one of the first ten cannot be read
    make(data_dir, photos)
    assert "3 parts are joined\n9 pairs are there, 1 to make" in capsys.readouterr().out
    assert files_of(data_dir) == at_once
    make(data_dir, photos, "1/1")  # what the whole has is not made again
    assert "part-1-of-1: 9 pairs are there, 1 to make" in capsys.readouterr().out
    make(data_dir, photos)
    assert files_of(data_dir) == at_once


def test_parts_run_at_the_same_time_and_one_may_be_killed(tmp_path, whole):
    (photos, at_once), data_dir = whole, tmp_path / "data"
    parts = [words_of(data_dir, photos, "--part", part) for part in ("1/2", "2/2")]
    command = [sys.executable, "pipeline.py"]
    running = [subprocess.Popen([*command, *words], cwd=ROOT) for words in parts]
    os.kill(running[1].pid, signal.SIGKILL)
    assert [process.wait(timeout=200) for process in running] == [0, -signal.SIGKILL]
    make(data_dir, photos, "2/2")
    make(data_dir, photos)
    assert files_of(data_dir) == at_once


def test_what_a_lost_part_lacks_is_made_when_they_are_joined(tmp_path, whole):
    photos, at_once = whole
    make(tmp_path / "data", photos, "2/3")
    make(tmp_path / "data", photos)
    assert files_of(tmp_path / "data") == at_once


def test_equal_photographs_of_two_parts_do_not_stand_on_both_sides_of_the_split(tmp_path, capsys):
    ids = [f"face{number}" for number in range(60)]
    first = next(i for i in ids if split_of(i) == "train" and Part(1, 2).holds(i))
    later = (i for i in ids if i > first and split_of(i) == "test")
    other = next(i for i in later if Part(2, 2).holds(i))
    photos = write_photos(tmp_path / "photos", [f"{i}.png" for i in [first, *map(str, range(9))]])
    shutil.copy(photos / f"{first}.png", photos / f"{other}.png")
    for part in ("1/2", "2/2"):
        words = words_of_dataset(tmp_path / "data", photos, 11, "--part", part)
        assert pipeline.main(words) == 0
    assert pipeline.main(words_of_dataset(tmp_path / "data", photos, 10)) == 0
    assert "10 pairs are there, 0 to make" in capsys.readouterr().out
    assert ids_of(tmp_path / "data") == {first, *map(str, range(9))}
    reason = f"same bytes as {first}, which is on the other side of the split"
    assert reasons_of(tmp_path / "data") == {other: reason}
    assert not list(tmp_path.rglob(f"{other}.jpg"))


def test_parts_and_the_whole_keep_each_other_out(tmp_path):
    with only_writer(tmp_path, "the first", "part-1-of-2"):
        with only_writer(tmp_path, "the second", "part-2-of-2"):
            pass
        for does, part in (("all", ""), ("again", "part-1-of-2")):
            refused = pytest.raises(FolderInUseError, match="the first")
            with refused, only_writer(tmp_path, does, part):
                pass
    with only_writer(tmp_path, "all"):
        pass


@pytest.mark.parametrize("text", ["0/8", "9/8", "1/0", "2", "a/b", "-1/8", "1/8/2"])
def test_part_that_there_is_not_is_refused(text, capsys):
    assert pipeline.main(["dataset", "--num-images", "1", f"--part={text}"]) == 2
    assert "expected a part as in 2/8" in capsys.readouterr().err


def test_clean_pairs_removes_records_of_parts(tmp_path, whole):
    make(tmp_path / "data", whole[0], "1/2")
    assert pipeline.main(["clean-pairs", "--data-dir", str(tmp_path / "data")]) == 0
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert not {name for name in left if "jsonl" in name}
