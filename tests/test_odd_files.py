"""Odd names and kinds of files in a folder of photographs: used, or listed with a reason."""

import os

import pytest
from helpers.pair_files import photo_u8, read_lines, write_photos
from PIL import Image

import pipeline
from prepare.originals import paths_by_id
from prepare.records.data_folder import read_manifest

ODD_STEMS = [
    *("-dash", "it's", "photo (1)", "semi;colon", "dollar$HOME", "new\nline", "hash#1", "a b"),
    *("pct%20d", "star*", "[br]", "e\u0301", "\u00e9", "back\\slash", 'quote"', "no.ext.jpg", "%d"),
    *("~tilde", "{b}", "写" * 83, "x" * 251, "face", "face.crop", "fac", "[f]ace", "\U0001f600"),
]


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", ["a.png", "b.png"])


def dataset(photos, data_dir, num_images, *more, code=0):
    """Ids of the pairs, and reasons by id of what was rejected."""
    words = ["dataset", "--num-images", num_images, "--source", "folder", "--from", photos]
    words += ["--data-dir", data_dir, "--size", 32, *more]
    assert pipeline.main([str(word) for word in words]) == code
    reasons = {line["id"]: line["reason"] for line in read_lines(data_dir / "rejected.jsonl")}
    return set(read_manifest(data_dir / "manifest.jsonl")), reasons


def test_any_name_of_a_photograph_serves_and_is_linked_to_its_own(tmp_path):
    photos = write_photos(tmp_path / "photos", [f"{n}.png" for n in range(len(ODD_STEMS))])
    for number, stem in enumerate(ODD_STEMS):
        (photos / f"{number}.png").rename(photos / f"{stem}.png")
    for _ in range(2):
        assert dataset(photos, tmp_path / "data", len(ODD_STEMS)) == (set(ODD_STEMS), {})
    links = tmp_path / "data" / "originals" / "folder"
    found = {path.name: path.resolve() for path in links.iterdir()}
    assert found == {f"{stem}.png": photos / f"{stem}.png" for stem in ODD_STEMS}


def test_name_that_is_no_utf8_is_listed_and_the_rest_is_made(photos, tmp_path):
    os.rename(photos / "a.png", os.fsencode(photos) + b"/M\xfcller.png")
    ids, reasons = dataset(photos, tmp_path / "data", 2, code=1)
    assert ids == {"b"}
    assert reasons == {"M\\xfcller": "its name is not UTF-8; rename it"}
    [line] = read_lines(tmp_path / "data" / "rejected.jsonl")
    assert line["file"] == str(photos / "M\\xfcller.png")
    assert dataset(photos, tmp_path / "data", 1)[0] == {"b"}  # its own records can be read again


@pytest.mark.parametrize(("first", "second"), [("FACE", "face"), ("\u00c9tude", "\u00e9tude")])
def test_second_name_that_differs_by_case_alone_is_listed(photos, tmp_path, first, second):
    write_photos(photos, [f"{first}.png", f"{second}.png"])
    ids, reasons = dataset(photos, tmp_path / "data", 4, code=1)
    assert ids == {"a", "b", first}
    assert reasons == {
        second: f"differs from {first} only in upper and lower case; rename one of them"
    }
    (photos / f"{second}.png").unlink()
    write_photos(photos, ["c.png"])
    assert dataset(photos, tmp_path / "data", 4)[0] == {"a", "b", "c", first}


def test_pair_that_is_there_keeps_its_name(photos, tmp_path):
    write_photos(photos, ["face.png"])
    dataset(photos, tmp_path / "data", 3)
    write_photos(photos, ["FACE.png", "c.png"])  # which comes first by name
    ids, reasons = dataset(photos, tmp_path / "data", 4)
    assert ids == {"a", "b", "c", "face"}
    assert list(reasons) == ["FACE"]


def test_what_is_no_file_is_listed_and_hangs_nobody(photos, tmp_path):
    os.mkfifo(photos / "pipe.jpg")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "self").symlink_to(photos)
    (photos / "folder.jpg").mkdir()
    (photos / "._a.png").write_bytes(b"AppleDouble")
    with (photos / "sparse.png").open("wb") as file:
        file.truncate(6 << 30)
    ids, reasons = dataset(photos, tmp_path / "data", 3, code=1)
    assert ids == {"a", "b"}
    assert "no regular file" in reasons["pipe"]
    assert "cannot be opened" in reasons["loop"]
    assert "more than" in reasons["sparse"]
    assert set(reasons) == {"pipe", "loop", "sparse"}


def put(path, kind):
    """Something else in the place of a photograph."""
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "itself": path, "nowhere": "gone.png"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "device", "itself", "nowhere"])
def test_photograph_that_became_something_else_is_replaced(photos, tmp_path, kind):
    dataset(photos, tmp_path / "data", 2)
    (photos / "a.png").unlink()
    put(photos / "a.png", kind)
    write_photos(photos, ["c.png"])
    for _ in range(2):
        ids, reasons = dataset(photos, tmp_path / "data", 2)
        assert ids == {"b", "c"}
        assert list(reasons) == ["a"]


def test_what_a_killed_writer_left_is_swept(photos, tmp_path):
    dataset(photos, tmp_path / "data", 1)
    left = tmp_path / "data" / "not_blurred_resized" / ".0123456789abcdef.part"
    left.write_bytes(b"half")
    dataset(photos, tmp_path / "data", 2)
    assert not left.exists()


def test_originals_are_found_once_though_folders_are_linked_in_circles(photos, tmp_path):
    dataset(photos, tmp_path / "data", 2)
    originals = tmp_path / "data" / "originals"
    for name in ("x", "y", "z"):  # walked to the end, three of them would be 3 ** 40 folders
        (originals / name).symlink_to(originals)
    words = ["blur", "--data-dir", str(tmp_path / "data"), "--radius", "9", "--size", "32"]
    assert pipeline.main(words) == 0
    assert len(list((tmp_path / "data/blurred_resized/disc-r9").glob("*.jpg"))) == 2


def test_of_two_originals_of_one_id_that_of_the_source_is_taken(tmp_path):
    Image.fromarray(photo_u8(1)).save(tmp_path / "x.png")
    for folder in ("folder", "ffhq/images1024x1024/00000"):
        (tmp_path / folder).mkdir(parents=True)
        os.link(tmp_path / "x.png", tmp_path / folder / "00000.png")
    (tmp_path / "x.png").unlink()
    assert paths_by_id(tmp_path, "folder") == {"00000": tmp_path / "folder" / "00000.png"}
    assert paths_by_id(tmp_path, "ffhq")["00000"].parent.parent.name == "images1024x1024"
    assert paths_by_id(tmp_path / "nowhere") == {}
