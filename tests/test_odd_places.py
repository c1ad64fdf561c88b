"""Pipes, devices, folders, huge files and links in circles, in the places of files of ours."""

import os

import pytest
from helpers.pair_files import read_lines, write_photos

import pipeline
from prepare.originals import paths_by_id
from prepare.records.data_folder import read_manifest
from prepare.records.files import sha256_of
from prepare.records.sets import read_kernel
from prepare.records.settings import DamagedRecordError

GOOD = {"a", "b", "c"}


def dataset(data_dir, photos, num_images):
    words = ["dataset", "--data-dir", data_dir, "--num-images", num_images, "--size", 32]
    return pipeline.main([*map(str, words), "--source", "folder", "--from", str(photos)])


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", [f"{name}.png" for name in sorted(GOOD)])


def put(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "itself":
        path.symlink_to(path)
    elif kind == "nowhere":
        path.symlink_to(path.parent / "gone.png")
    elif kind == "folder":
        path.mkdir()
    elif kind == "6 GB":
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
        os.truncate(path, 6_000_000_000)


@pytest.mark.parametrize("kind", ["pipe", "device", "itself", "nowhere", "6 GB"])
def test_photograph_that_became_something_else_is_replaced(tmp_path, photos, kind):
    assert dataset(tmp_path / "data", photos, 2) == 0
    (photos / "a.png").unlink()
    put(photos / "a.png", kind)
    assert dataset(tmp_path / "data", photos, 2) == 0
    assert set(read_manifest(tmp_path / "data" / "manifest.jsonl")) == {"b", "c"}
    [line] = read_lines(tmp_path / "data" / "rejected.jsonl")
    assert line["id"] == "a"
    assert dataset(tmp_path / "data", photos, 2) == 0


def test_originals_are_found_once_though_folders_are_linked_in_circles(tmp_path, photos):
    assert dataset(tmp_path / "data", photos, 3) == 0
    originals = tmp_path / "data" / "originals"
    for name in ("x", "y", "z"):  # walked to the end, three of them would be 3 ** 40 folders
        (originals / name).symlink_to(originals)
    words = ["blur", "--data-dir", str(tmp_path / "data"), "--radius", "9", "--size", "32"]
    assert pipeline.main(words) == 0
    assert len(list((tmp_path / "data/blurred_resized/disc-r9").glob("*.jpg"))) == 3


def test_of_two_originals_of_one_id_that_of_the_source_is_taken(tmp_path):
    write_photos(tmp_path / "folder", ["00000.png"])
    write_photos(tmp_path / "ffhq" / "images1024x1024" / "00000", ["00000.png"])
    assert paths_by_id(tmp_path, "folder") == {"00000": tmp_path / "folder" / "00000.png"}
    assert paths_by_id(tmp_path, "ffhq")["00000"].parent.parent.name == "images1024x1024"
    assert paths_by_id(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("kind", ["pipe", "device", "itself", "nowhere", "folder"])
def test_only_a_regular_file_has_a_hash(tmp_path, kind):
    put(tmp_path / "x.png", kind)
    with pytest.raises(OSError, match=r"x\.png"):
        sha256_of(tmp_path / "x.png")


@pytest.mark.parametrize("kind", ["pipe", "device", "6 GB", "folder"])
def test_what_stands_in_the_place_of_a_record_is_named_at_once(tmp_path, kind):
    put(tmp_path / "manifest.jsonl", kind)
    put(tmp_path / "kernel.json", kind)
    with pytest.raises(DamagedRecordError, match=r"manifest\.jsonl is damaged .*run `make clean-p"):
        read_manifest(tmp_path / "manifest.jsonl")
    with pytest.raises(DamagedRecordError, match=r"kernel\.json is damaged .*run `make clean-p"):
        read_kernel(tmp_path)


def test_line_that_stands_twice_counts_once(tmp_path, photos):
    assert dataset(tmp_path / "data", photos, 3) == 0
    path = tmp_path / "data" / "manifest.jsonl"
    path.write_text(path.read_text() * 2)
    assert set(read_manifest(path)) == GOOD
    assert dataset(tmp_path / "data", photos, 3) == 0
    assert len(path.read_text().splitlines()) == 6  # nothing was to be made
