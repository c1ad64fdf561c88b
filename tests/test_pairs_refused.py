"""Originals that cannot be used are listed with the reason, and do not stop the rest."""

import pytest
from helpers.pair_files import read_lines, write_photos
from helpers.pair_writing import BLURS, originals_of, write

from prepare.originals import Original
from prepare.records.data_folder import DataFolder, read_manifest
from prepare.sets import complete_ids


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image"),
        (b"<html></html>", "no image"),
        (None, "cannot be opened (No such file or directory)"),
    ],
)
def test_file_that_cannot_be_read_is_listed_and_does_not_stop_the_rest(tmp_path, content, reason):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    path = tmp_path / "photos" / "b.png"
    path.unlink() if content is None else path.write_bytes(content)
    assert write(tmp_path, originals) == 2
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["id"] == "b"
    assert reason in rejected["reason"]
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["a", "c"]


def test_original_that_its_source_refuses_leaves_the_pair_of_its_id(tmp_path):
    [good] = originals_of(tmp_path / "photos", ["a.png"])
    taken = Original("a", tmp_path / "photos" / "a.bmp", "folder", problem="id a is taken")
    assert write(tmp_path, [good]) == 1
    assert write(tmp_path, [taken]) == 0
    images = read_manifest(tmp_path / "manifest.jsonl")
    assert complete_ids(images, DataFolder(tmp_path), BLURS) == {"a"}
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["reason"] == "id a is taken"


def test_photograph_smaller_than_the_pictures_is_refused_with_both_sizes(tmp_path):
    photos = write_photos(tmp_path / "photos", ["small.png"], height=31, width=100)
    assert write(tmp_path, [Original("small", photos / "small.png", "folder")]) == 0
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["reason"] == "is 100x31, smaller than the 32x32 that is written"


def test_photograph_of_the_size_that_is_written_is_used(tmp_path):
    photos = write_photos(tmp_path / "photos", ["small.png"], height=32, width=40)
    assert write(tmp_path, [Original("small", photos / "small.png", "folder")]) == 1


def test_file_that_was_mended_is_rejected_no_longer(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png"])
    good = originals[0].path.read_bytes()
    originals[0].path.write_bytes(good[:300])
    assert write(tmp_path, originals) == 0
    originals[0].path.write_bytes(good)
    assert write(tmp_path, originals) == 1
    assert read_lines(tmp_path / "rejected.jsonl") == []


def test_original_that_became_unusable_is_forgotten_with_its_pictures(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png"])
    write(tmp_path, originals)
    originals[0].path.write_bytes(b"no PNG")
    assert write(tmp_path, originals[:1]) == 0
    assert list(read_manifest(tmp_path / "manifest.jsonl")) == ["b"]
    assert not list(tmp_path.rglob("a.jpg"))
