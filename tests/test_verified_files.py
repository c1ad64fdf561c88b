"""Files on disk: checked once, remembered, and noticed when they change."""

import hashlib
import json
import time

import pytest
from helpers.ffhq_files import image_bytes

from prepare.ffhq.request import IntegrityError
from prepare.ffhq.verified_files import (
    Expected,
    OutsideError,
    VerifiedFiles,
    check_image,
    image_file,
    is_ffhq_id,
)


def put(folder, number, data=None):
    path = folder / image_file(f"{number:05d}", ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data or image_bytes(number))
    return path


def remember(folder, *numbers):
    checked = VerifiedFiles(folder)
    for number in numbers:
        md5 = hashlib.md5(image_bytes(number)).hexdigest()
        checked.record(f"{number:05d}", put(folder, number), "drive", md5)


@pytest.mark.parametrize(
    "name", ["../..", "0000", "000000", "70000", "0004\u0662", "00000\n", "", "-0001", "0x000"]
)
def test_name_that_is_no_id_never_becomes_a_path(name):
    assert not is_ffhq_id(name)
    with pytest.raises(ValueError, match="names no image of FFHQ"):
        image_file(name, ".png")
    with pytest.raises(ValueError, match="names no image of FFHQ"):
        image_file("00000", "/../x")


def test_layout_is_nvidias():
    assert image_file("00042", ".png") == "images1024x1024/00000/00042.png"
    assert image_file("69999", ".webp") == "images1024x1024/69000/69999.webp"


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (Expected(num_bytes=1), "bytes, expected 1"),
        (Expected(md5="f" * 32), "MD5 is .*, expected ffffff"),
        (Expected(size_px=(1024, 512)), "is 1024x1024, expected 1024x512"),
        (Expected(pixel_md5="f" * 32), "MD5 of the pixels is .*, expected ffffff"),
    ],
)
def test_each_promise_of_the_metadata_is_checked(tmp_path, expected, reason):
    path = put(tmp_path, 0)
    assert check_image(path, Expected(), ".png") == hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(IntegrityError, match=reason):
        check_image(path, expected, ".png")


def test_damage_behind_the_header_is_found(tmp_path):
    path = put(tmp_path, 0, image_bytes(0)[:-2000])
    with pytest.raises(IntegrityError, match="no readable PNG"):
        check_image(path, Expected(), ".png")


def test_record_survives_the_run_and_a_torn_line(tmp_path):
    remember(tmp_path, 0, 1)
    with (tmp_path / "checked.jsonl").open("a") as record:
        record.write('\n{"id": "00002", "fi')
    remember(tmp_path, 3)
    checked = VerifiedFiles(tmp_path)
    assert [checked.find(f"{n:05d}") is not None for n in range(4)] == [True, True, False, True]
    assert checked.find("00001").source == "drive"


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "../../x"}', "null", "\0", "1"])
def test_strange_record_is_not_trusted(tmp_path, line):
    remember(tmp_path / "ffhq", 0)
    record = tmp_path / "ffhq" / "checked.jsonl"
    right = record.read_text().strip()
    (tmp_path / "secret.png").write_bytes(image_bytes(0))
    outside = json.dumps(json.loads(right) | {"id": "00001", "file": "../secret.png"})
    record.write_text(f"{line}\n{outside}\n{right}\n{line}")
    checked = VerifiedFiles(tmp_path / "ffhq")
    assert checked.find("00000") is not None
    assert checked.find("00001") is None


def test_changed_file_is_checked_again_and_removed_if_wrong(tmp_path):
    remember(tmp_path, 0, 1)
    put(tmp_path, 0).touch()
    damaged = put(tmp_path, 1, b"damaged")
    checked = VerifiedFiles(tmp_path)
    assert checked.find("00000") is checked.find("00001") is None
    assert checked.reverify("00000", None).source == "drive"
    assert checked.reverify("00001", None) is None
    assert not damaged.exists()
    assert VerifiedFiles(tmp_path).find("00000") is not None


def test_nothing_is_written_through_a_link_out_of_the_folder(tmp_path):
    put(tmp_path / "outside", 0)
    damaged = put(tmp_path / "outside", 1, b"damaged")
    (tmp_path / "ffhq").mkdir()
    (tmp_path / "ffhq" / "images1024x1024").symlink_to(tmp_path / "outside" / "images1024x1024")
    checked = VerifiedFiles(tmp_path / "ffhq")
    assert checked.reverify("00000", None).source == "folder"
    with pytest.raises(OutsideError, match=r"SOURCE=folder FROM=.*outside"):
        checked.path_for("00002", ".png")
    with pytest.raises(OutsideError):
        checked.reverify("00001", None)
    assert damaged.exists()


def test_thousand_files_are_found_at_once(tmp_path):
    remember(tmp_path, 0)
    line = json.loads((tmp_path / "checked.jsonl").read_text())
    lines = []
    for number in range(1000):
        path = put(tmp_path, number, image_bytes(0))
        changes = {"id": path.stem, "file": path.relative_to(tmp_path).as_posix()}
        lines.append(json.dumps(line | changes | {"mtime_ns": path.stat().st_mtime_ns}))
    (tmp_path / "checked.jsonl").write_text("\n".join(lines))
    before = time.monotonic()
    checked = VerifiedFiles(tmp_path)
    assert all(checked.find(f"{number:05d}") for number in range(1000))
    assert time.monotonic() - before < 0.5
