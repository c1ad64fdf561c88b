"""Names and kinds of files that a folder of photographs may hold: used, or listed with a reason."""

import json
import os

import pytest
from helpers.pair_files import photo_u8, write_photos
from PIL import Image

import pipeline
from prepare.records.files import write_bytes


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", ["a.png", "b.png"])


def dataset(photos, data_dir, num_images, code=0):
    """Ids of the pairs, and reasons by id of what was rejected."""
    words = ["dataset", "--num-images", num_images, "--source", "folder", "--from", photos]
    words += ["--data-dir", data_dir, "--size", 32]
    assert pipeline.main([str(word) for word in words]) == code
    lines = (data_dir / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rejected = (data_dir / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = {line["id"]: line["reason"] for line in map(json.loads, rejected)}
    return {json.loads(line)["id"] for line in lines}, reasons


@pytest.mark.parametrize(
    "stem",
    [
        *("-dash", "it's", "photo (1)", "semi;colon", "dollar$HOME", "new\nline", "hash#1"),
        *("pct%20d", "star*", "[br]", "é", "back\\slash", 'quote"', "no.ext.jpg", "{b}"),
        *("~tilde", "写" * 83),
    ],
)
def test_any_name_of_a_photograph_serves(photos, tmp_path, stem):
    Image.fromarray(photo_u8(7)).save(photos / "c.png")
    (photos / "c.png").rename(photos / f"{stem}.png")
    ids, _ = dataset(photos, tmp_path / "data", 3)
    assert ids == {"a", "b", stem}
    assert dataset(photos, tmp_path / "data", 3)[0] == ids


def test_name_that_is_no_text_is_listed(photos, tmp_path):
    os.rename(photos / "a.png", os.fsencode(photos) + b"/M\xfcller.png")
    write_photos(photos, ["c.png"])
    ids, reasons = dataset(photos, tmp_path / "data", 2)
    assert ids == {"b", "c"}
    assert reasons == {"M\\xfcller": "its name is not UTF-8; rename it"}


@pytest.mark.parametrize(("first", "second"), [("FACE", "face"), ("\u00c9tude", "\u00e9tude")])
def test_second_name_that_differs_by_case_alone_is_listed(photos, tmp_path, first, second):
    write_photos(photos, [f"{first}.png", f"{second}.png"])
    ids, reasons = dataset(photos, tmp_path / "data", 4, code=1)
    assert ids == {"a", "b", first}
    assert reasons == {second: f"differs from {first} by case alone; rename one of them"}
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


def test_what_a_killed_writer_left_is_swept(photos, tmp_path):
    dataset(photos, tmp_path / "data", 1)
    left = tmp_path / "data" / "not_blurred_resized" / ".0123456789abcdef.part"
    left.write_bytes(b"half")
    dataset(photos, tmp_path / "data", 2)
    assert not left.exists()


def test_nothing_is_written_through_a_link_that_waits_in_the_way(tmp_path):
    (tmp_path / "outside").write_bytes(b"the user's")
    (tmp_path / "name").symlink_to(tmp_path / "outside")
    write_bytes(tmp_path / "name", b"ours")
    assert (tmp_path / "outside").read_bytes() == b"the user's"
    assert (tmp_path / "name").read_bytes() == b"ours"
