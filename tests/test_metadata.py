"""FFHQ's metadata as a stream, its ids and its licenses."""

import csv
import re
import resource
from dataclasses import replace

import pytest
from helpers.ffhq_files import drive_id, image_bytes, metadata_bytes
from helpers.ffhq_server import METADATA, FfhqServer

from prepare.ffhq.google_drive import drive_file_url
from prepare.ffhq.metadata import (
    METADATA_DRIVE_ID,
    fetch_entries,
    wanted_ids,
    write_licenses,
)
from prepare.ffhq.request import Client, DownloadError, RefusedError
from prepare.ffhq.retry import RetryPolicy
from prepare.records.settings import DamagedRecordError, SettingError

QUICK = RetryPolicy(num_attempts=2, backoff_s=0.005, read_timeout_s=0.3, deadline_s=3.0)
NUM_IMAGES = 400  # of 8 by 8 pixels: what matters here is the metadata's length


def tiny(number):
    return image_bytes(number, side_px=8)


@pytest.fixture(scope="module")
def metadata():
    return metadata_bytes(NUM_IMAGES, tiny)


@pytest.fixture
def server(metadata):
    with FfhqServer({METADATA: metadata}) as server:
        yield server


def read(server, folder, num_images, said=None):
    with Client(QUICK) as client:
        url = drive_file_url(server.url, METADATA_DRIVE_ID)
        wanted = wanted_ids(None, num_images)
        say = (said if said is not None else []).append
        return fetch_entries(client, url, folder, wanted, say)


def sent(server):
    return sum(request.num_bytes for request in server.asked(METADATA))


def test_full_disk_is_named(server, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as with 1000 bytes left
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/ffhq-dataset-v2\.json\.part'"):
            read(server, tmp_path, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_entry_says_what_the_file_must_be(server, tmp_path):
    entry = read(server, tmp_path, 8)["00007"]
    assert entry.file_id == drive_id("00007")
    assert entry.expected.num_bytes == len(tiny(7))
    assert entry.expected.size_px == (8, 8)
    assert entry.license.author == "Author 7 \u00e9"


def test_only_as_much_as_is_wanted_is_fetched_and_more_goes_on_from_there(
    server, tmp_path, metadata
):
    assert len(read(server, tmp_path, 50)) == 50
    first = sent(server)
    assert first <= 300_000 < len(metadata) // 3
    assert len(read(server, tmp_path, 50)) == 50
    assert sent(server) == first
    assert len(read(server, tmp_path, 300)) == 300
    assert server.asked(METADATA)[-1].start == first
    assert len(read(server, tmp_path, NUM_IMAGES)) == NUM_IMAGES
    assert sent(server) == len(metadata)
    assert (tmp_path / f"{METADATA}.part").read_bytes() == metadata


def test_whole_file_at_hand_needs_no_network(server, tmp_path, metadata):
    (tmp_path / METADATA).write_bytes(metadata)
    assert len(read(server, tmp_path, NUM_IMAGES)) == NUM_IMAGES
    assert server.headers == []


def test_ending_in_the_middle_gives_what_stands_before_it(server, tmp_path, metadata):
    server.files[METADATA] = metadata[: len(metadata) // 2]
    said = []
    entries = read(server, tmp_path, NUM_IMAGES, said)
    assert 150 < len(entries) < 250
    assert said == [
        f"FFHQ's metadata ends in the middle: {len(entries)} of {NUM_IMAGES} entries read"
    ]
    server.files[METADATA] = metadata
    assert len(read(server, tmp_path, NUM_IMAGES, said)) == NUM_IMAGES
    assert sent(server) == len(metadata)


def test_broken_connection_gives_what_stands_before_it(server, tmp_path, metadata):
    server.misbehave(METADATA, "confirm", "quota", for_ever=True)
    assert len(read(server, tmp_path, 50)) == 50
    said = []
    entries = read(server, tmp_path, 200, said)
    assert 50 < len(entries) < 100
    assert "the download quota is used up" in said[0]


@pytest.mark.parametrize("fault", ["quota", "403", "404", "page"])
def test_refusal_is_told(server, tmp_path, fault):
    server.misbehave(METADATA, fault)
    with pytest.raises(RefusedError):
        read(server, tmp_path, 5)


def test_file_that_is_no_json_is_removed(server, tmp_path, metadata):
    server.files[METADATA] = b"<html>" + metadata
    with pytest.raises(DownloadError, match="the metadata is no JSON"):
        read(server, tmp_path, 5)
    assert list(tmp_path.iterdir()) == []
    server.files[METADATA] = metadata
    assert len(read(server, tmp_path, 5)) == 5


@pytest.mark.parametrize(
    "entry", ["null", "[]", "{}", '{"image": {"file_url": "x"}}', '{"image": 7, "metadata": {}}']
)
def test_strange_entry_is_left_out(server, tmp_path, entry):
    server.files[METADATA] = f'{{"../../x": {{}}, "0": {entry}, "1": {entry}}}'.encode()
    assert read(server, tmp_path, 2) == {}


@pytest.mark.parametrize("number", ["1e999999999", "-1", "1.5", "NaN", '"x"', "9" * 5000, "[1]"])
def test_odd_number_costs_one_entry_at_most(server, tmp_path, metadata, number):
    text = re.sub(r'"file_size": \d+', f'"file_size": {number}', metadata.decode(), count=1)
    server.files[METADATA] = text.encode()
    entries = read(server, tmp_path, 3)
    assert {"00001", "00002"} <= set(entries)
    assert "00000" not in entries or entries["00000"].expected.num_bytes in (-1, 1)


@pytest.mark.parametrize(
    "beginning",
    ["[" * 3_000_000, '{"a":' * 1_000_000, '{"0": "' + "x" * 8_000_000, "9" * 3_000_000],
)
def test_what_would_fill_the_memory_is_no_metadata(server, tmp_path, beginning):
    server.files[METADATA] = beginning.encode()
    with pytest.raises(DownloadError, match="the metadata is no JSON"):
        read(server, tmp_path, 5)
    assert sent(server) < 3_000_000


def test_ids(tmp_path):
    assert wanted_ids(None, 3) == ["00000", "00001", "00002"]
    assert wanted_ids("60000-60999", 2) == ["60000", "60001"]
    assert wanted_ids("7, 42, 5-7", 10) == ["00007", "00042", "00005", "00006"]
    (tmp_path / "ids.txt").write_text("00042\n00007.png\n9-10\n")
    assert wanted_ids(str(tmp_path / "ids.txt"), 10) == ["00042", "00007", "00009", "00010"]


@pytest.mark.parametrize("ids", ["70000", "5-3", "1-", "nowhere.txt", "-", "123456"])
def test_ids_that_are_none(ids):
    with pytest.raises(SettingError, match="ids must be"):
        wanted_ids(ids, 10)


def test_licenses_are_added_and_sorted(server, tmp_path):
    entries = read(server, tmp_path, 3)
    path = tmp_path / "LICENSES.csv"
    write_licenses(path, [entries["00002"]])
    write_licenses(path, [entries["00000"], entries["00001"]])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["00000", "00001", "00002"]
    assert rows[2]["license"] == "Attribution License"
    assert rows[2]["photo_title"] == 'A title, with "quotes"'
    before = path.stat().st_mtime_ns
    write_licenses(path, entries.values())
    assert path.stat().st_mtime_ns == before


def test_cells_that_a_spreadsheet_would_run_are_text(server, tmp_path, metadata):
    entry = read(server, tmp_path, 1)["00000"]
    odd = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", "it's", "a=b", ""]
    path = tmp_path / "LICENSES.csv"
    for number, word in enumerate(odd):
        license = replace(entry.license, id=f"{number:05d}", author=word, photo_title=word)
        write_licenses(path, [replace(entry, license=license)])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["author"] for row in rows] == [
        *("'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'\tx", "'\rx", "it's", "a=b", ""),
    ]
    assert [row["photo_title"] for row in rows] == [row["author"] for row in rows]


def test_table_of_an_older_version_is_made_plain(server, tmp_path):
    entries = read(server, tmp_path, 2)
    path = tmp_path / "LICENSES.csv"
    write_licenses(path, [entries["00000"]])
    path.write_text(path.read_text(encoding="utf-8").replace("Author 0", "=1"), encoding="utf-8")
    write_licenses(path, [entries["00001"]])
    assert "\n00000,'=1" in path.read_text(encoding="utf-8").replace("\r", "")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n" + b'"' + b"x" * 200_000, None])
def test_damaged_table_is_named_and_left_alone(server, tmp_path, content):
    entries = read(server, tmp_path, 1)
    path = tmp_path / "LICENSES.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(DamagedRecordError, match=r"LICENSES\.csv is damaged; move it away"):
        write_licenses(path, entries.values())
    assert path.is_dir() if content is None else path.read_bytes() == content


@pytest.mark.parametrize("content", [b"\xff\xfe", b"7 " * 20_000_000])
def test_file_of_ids_that_is_no_text_is_named(tmp_path, content):
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(DamagedRecordError, match=r"ids\.txt is damaged; name a file of ids"):
        wanted_ids(str(tmp_path / "ids.txt"), 10)
