"""Awkward names: ids that contain one another, bytes that are no UTF-8, the longest names."""

import json
import os
import time

import numpy as np
import pytest
from helpers.pair_files import photo_u8, read_lines, write_photos
from PIL import Image

import pipeline
from prepare.folder import LinkFolder, folder_originals
from prepare.records.data_folder import DataFolder, read_manifest, why_no_id
from prepare.records.settings import DamagedRecordError
from prepare.sets import remove_pictures

ODD_NAMES = [
    *("-dash.png", "it's.png", "photo (1).png", "a b.png", "semi;colon.png", "$HOME.png"),
    *("new\nline.png", "hash#1.png", "pct%20d.png", "star*.png", "[br].png", "emoji\U0001f600.png"),
    *("e\u0301.png", "\u00e9.png", 'quote".png', "a.png.png", "{b}.png", "%d.png", "~tilde.png"),
]


def dataset(data_dir, photos, num_images, *more):
    words = ["dataset", "--data-dir", data_dir, "--num-images", num_images, "--size", 32]
    words += ["--source", "folder", "--from", photos, "--radius", 30, *more]
    return pipeline.main([*map(str, words)])


def ids_of(data_dir):
    return set(read_manifest(data_dir / "manifest.jsonl"))


def test_id_within_another_keeps_its_own_link(tmp_path):
    names = ["face.crop.jpg", "face.edit.jpg", "face.jpg", "fac.jpg", "face.c.jpg", "[f]ace.jpg"]
    photos = write_photos(tmp_path / "photos", names)
    assert dataset(tmp_path / "data", photos, len(names)) == 0
    links = tmp_path / "data" / "originals" / "folder"
    assert {path.name: path.resolve() for path in links.iterdir()} == {
        name: photos / name for name in names
    }
    assert pipeline.main(["blur", "--data-dir", str(tmp_path / "data"), "--radius", "9"]) == 1


def test_each_photograph_gets_the_depth_map_of_its_own_id(tmp_path):
    photos = write_photos(tmp_path / "photos", ["face.png", "face.a.png", "[face].png"], 96)
    (tmp_path / "depth").mkdir()
    for name, level in {"face": 0, "face.a": 255, "[face]": 0}.items():
        Image.new("L", (96, 96), level).save(tmp_path / "depth" / f"{name}.png")
    (tmp_path / "depth" / "face.json").write_text("{}")
    data = DataFolder(tmp_path / "data")
    assert dataset(data.path, photos, 3, "--radius", 100, "--depth", tmp_path / "depth") == 0
    [blurred] = data.blurred.iterdir()

    def difference(name):
        pictures = [Image.open(folder / f"{name}.jpg") for folder in (blurred, data.sharp)]
        halves = [np.asarray(picture).astype(float) for picture in pictures]
        return np.abs(halves[0] - halves[1]).mean()

    assert difference("face") < 0.5  # all of it in focus
    assert difference("[face]") < 0.5
    assert difference("face.a") > 4  # all of it far


def test_pictures_of_one_id_are_removed_and_no_others(tmp_path):
    data = DataFolder(tmp_path)
    names = ["a.jpg", "a.b.jpg", "[a].jpg", "A.jpg", "aa.jpg", "*.jpg"]
    for folder in (data.sharp, data.blurred / "disc-r30", data.blurred / "disc-r9"):
        write_photos(folder, names)
    for image_id in ("a", "*", "[a]"):
        remove_pictures(data, image_id)
    for folder in (data.sharp, data.blurred / "disc-r30", data.blurred / "disc-r9"):
        assert {path.name for path in folder.iterdir()} == {"a.b.jpg", "A.jpg", "aa.jpg"}


def test_same_name_in_capitals_is_another_suffix_of_one_id(tmp_path):
    photos = write_photos(tmp_path / "photos", ["face.JPG", "face.jpg", "Face.jpg"])
    assert dataset(tmp_path / "data", photos, 3) == 1
    assert ids_of(tmp_path / "data") == {"Face"}
    lines = read_lines(tmp_path / "data" / "rejected.jsonl")
    reasons = {line["file"]: line["reason"] for line in lines}
    assert "differs from Face by case alone" in reasons[str(photos / "face.JPG")]
    assert "taken by" in reasons[str(photos / "face.jpg")]
    assert "face.JPG" in reasons[str(photos / "face.jpg")]


def test_linking_takes_time_in_proportion(tmp_path):
    """Looking through all links for each photograph would take 4000 * 4000 steps here."""
    (tmp_path / "photos").mkdir()
    for number in range(4000):
        (tmp_path / "photos" / f"{number}.jpg").touch()
    began_s = time.monotonic()
    assert len(list(folder_originals(tmp_path / "photos", tmp_path / "links", 4000, ()))) == 4000
    assert len(list((tmp_path / "links").iterdir())) == 4000
    assert time.monotonic() - began_s < 15  # 0.5 s alone


def test_file_in_the_place_of_a_link_is_the_users_and_stays(tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"a\.jpg"):
        LinkFolder(tmp_path / "links").link("a.jpg", tmp_path / "photos" / "a.jpg")
    assert (tmp_path / "links" / "a.jpg").read_bytes() == b"mine"


def test_odd_names_work(tmp_path):
    photos = write_photos(tmp_path / "photos", ODD_NAMES)
    assert dataset(tmp_path / "data", photos, len(ODD_NAMES)) == 0
    assert ids_of(tmp_path / "data") == {name.removesuffix(".png") for name in ODD_NAMES}


def test_name_that_is_no_utf8_is_listed_and_the_rest_is_made(tmp_path):
    photos = write_photos(tmp_path / "photos", ["ok0.png", "ok1.png"])
    content = (photos / "ok0.png").read_bytes()
    with open(os.path.join(os.fsencode(photos), "M\u00fcller.png".encode("latin-1")), "wb") as file:
        file.write(content)
    assert dataset(tmp_path / "data", photos, 3) == 1  # 3 files, but 2 that can be used
    assert ids_of(tmp_path / "data") == {"ok0", "ok1"}
    lines = (tmp_path / "data" / "rejected.jsonl").read_bytes().decode("utf-8").splitlines()
    rejected = {line["id"]: line for line in map(json.loads, lines)}
    assert set(rejected) == {"M\\xfcller"}
    assert rejected["M\\xfcller"]["file"] == str(photos / "M\\xfcller.png")
    assert rejected["M\\xfcller"]["reason"] == "its name is not UTF-8; rename it"
    assert dataset(tmp_path / "data", photos, 2) == 0  # its own records can be read again


@pytest.mark.parametrize("num_bytes", [248, 251, 252, 255])
def test_longest_names_work(tmp_path, num_bytes):
    (tmp_path / "photos").mkdir()
    stem = "\u5199" * 83
    name = stem + "x" * (num_bytes - len(stem.encode()) - 4) if num_bytes > 253 else "y"
    name = name if num_bytes > 253 else "x" * (num_bytes - 4)
    assert len(f"{name}.png".encode()) == num_bytes
    Image.fromarray(photo_u8(1)).save(tmp_path / "photos" / f"{name}.png")
    assert dataset(tmp_path / "data", tmp_path / "photos", 1) == 0
    assert ids_of(tmp_path / "data") == {name}


@pytest.mark.parametrize(
    "image_id",
    ["", ".", "..", "../../x", "/etc/passwd", "a/b", "a\0b", "x" * 252, 7, None],
)
def test_id_that_leaves_its_folder_is_a_damaged_record(tmp_path, image_id):
    assert not isinstance(image_id, str) or why_no_id(image_id)
    record = {"id": image_id, "split": "test", "source": "folder", "sha256": "a"}
    (tmp_path / "manifest.jsonl").write_text(
        json.dumps(record | {"width": 64, "height": 64}) + "\n"
    )
    with pytest.raises(DamagedRecordError, match=r"manifest\.jsonl is damaged .*run `make clean-p"):
        read_manifest(tmp_path / "manifest.jsonl")


def test_ids_that_stay(tmp_path):
    names = ["a", "...", "a..b", "-x", "x" * 251, "\u5199" * 83, " ", "new\nline", "C:x"]
    assert [why_no_id(name) for name in names] == [None] * len(names)
