import hashlib
import json
import subprocess

import pytest

from prepare import PrepareError
from prepare.records.files import write_bytes
from prepare.records.manifest import (
    ImageRecord,
    read_lines,
    read_manifest,
    split_of,
    write_lines,
    write_manifest,
)

IMAGES = {
    each: ImageRecord(each, split_of(each), "folder", 64 * "a", 1024, 768)
    for each in ("00002", "00000", "Zoë, at sea", "00001")
}


def test_split_is_the_first_64_bits_of_the_hash_modulo_10():
    for image_id in ("00000", "00001", "sample-0-00007", "Zoë"):
        command = ["sha256sum"]
        digest = subprocess.run(command, input=image_id.encode(), stdout=subprocess.PIPE).stdout
        is_test = int(digest[:16], 16) % 10 in (8, 9)
        assert split_of(image_id) == ("test" if is_test else "train")


def test_split_is_8_to_2():
    # Five standard deviations of a binomial with n = 20000 and p = 0.2 are 283.
    num_test = sum(split_of(f"{index:05d}") == "test" for index in range(20000))
    assert abs(num_test - 4000) < 283


def test_manifest_comes_back(tmp_path):
    path = tmp_path / "data" / "manifest.jsonl"
    write_manifest(path, IMAGES)
    assert read_manifest(path) == IMAGES


def test_manifest_is_one_json_object_a_line_in_the_order_of_ids(tmp_path):
    write_manifest(tmp_path / "one", IMAGES)
    write_manifest(tmp_path / "other", dict(reversed(IMAGES.items())))
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "other").read_bytes()
    lines = [json.loads(line) for line in content.decode().splitlines()]
    assert [line["id"] for line in lines] == sorted(IMAGES)
    assert set(lines[0]) == {"id", "split", "source", "sha256", "width", "height"}
    assert "Zoë" in content.decode()


def test_no_manifest_is_an_empty_one(tmp_path):
    assert read_manifest(tmp_path / "none") == {}
    assert read_lines(tmp_path / "none") == []


@pytest.mark.parametrize("torn", [b'{"id": "000', b"\xff\xfe", b'{"id": "1"}\n', b"[1]\n"])
def test_torn_line_is_named(tmp_path, torn):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, IMAGES)
    with path.open("ab") as file:
        file.write(torn)
    with pytest.raises(PrepareError, match=r"manifest\.jsonl.*make clean-pairs"):
        read_manifest(path)


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new folder" / "file"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "lines"
    write_lines(path, [{"a": 1}])
    with pytest.raises(TypeError):
        write_lines(path, [{"a": 2}, {"a": object()}])
    with pytest.raises(TypeError):
        write_bytes(path, "text is not bytes")
    assert read_lines(path) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_when_the_name_is_taken_by_a_folder(tmp_path):
    (tmp_path / "name").mkdir()
    with pytest.raises(OSError, match="name"):
        write_bytes(tmp_path / "name", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_bytes(tmp_path / "file" / "below", b"content")


def test_lines_hash_the_same_on_every_write(tmp_path):
    digests = set()
    for name in "ab":
        write_lines(tmp_path / name, [{"id": "1", "reason": "is 4x4"}, {"id": "2"}])
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_id_that_holds_a_line_end_of_any_kind_comes_back(tmp_path, end):
    image_id = f"a{end}b"
    images = {image_id: ImageRecord(image_id, "train", "folder", 64 * "a", 1024, 768)}
    write_manifest(tmp_path / "m", images)
    assert read_manifest(tmp_path / "m") == images
