"""FFHQ from wherever it can be had: what is kept, what is asked for again, what is said."""

import contextlib
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from helpers.command_line import command
from helpers.ffhq_server import (
    METADATA,
    FfhqServer,
    drive_id,
    image_bytes,
    metadata_bytes,
    tar_bytes,
)
from helpers.fuzz import TEXTS, damaged, fuzzed, odd_json
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pipeline
from prepare import PrepareError
from prepare.ffhq.download import Client
from prepare.ffhq.local_copy import VerifiedFiles, ffhq_copy_originals, image_file, is_ffhq_copy
from prepare.ffhq.metadata import FfhqSettings, read_entries, wanted_ids, write_licenses
from prepare.ffhq.source import FfhqDownload
from prepare.records.settings import DamagedRecordError

NUM_IMAGES = 12


def ids(*numbers):
    return [f"{number:05d}" for number in numbers]


ALL = ids(*range(NUM_IMAGES))


@pytest.fixture(scope="module")
def files():
    """Both hosts' files for the first images."""
    numbers = range(NUM_IMAGES)
    images = {f"{n:05d}.png": image_bytes(n) for n in numbers}
    members = [(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in reversed(numbers)]
    return {METADATA: metadata_bytes(NUM_IMAGES), "00000.tar": tar_bytes(members), **images}


@pytest.fixture
def server(files):
    with FfhqServer(dict(files)) as server:
        yield server


def download(server, folder, num_images=NUM_IMAGES, done_ids=(), **changes):
    defaults = {
        "drive_url": server.url,
        "mirror_url": f"{server.url}/mirror",
        "connections": 4,
        "num_attempts": 3,
        "backoff_s": 0.005,
        "read_timeout_s": 0.3,
        "deadline_s": 3.0,
    }
    return FfhqDownload(FfhqSettings(**(defaults | changes)), folder, num_images, done_ids)


def fetch(server, folder, *args, said=None, **changes):
    """Source by id of what came, each compared with what the server has."""
    say = (said if said is not None else []).append
    came = {}
    for original in download(server, folder, *args, **changes).originals(say):
        is_mirror, number = original.source == "mirror", int(original.id)
        assert original.path.read_bytes() == image_bytes(number, "WEBP" if is_mirror else "PNG")
        file = image_file(original.id, ".webp" if is_mirror else ".png")
        assert original.path == folder / "ffhq" / file
        came[original.id] = original.source
    return came


def entries(server, folder, num_images, said=None):
    """What the metadata says of the first images, when nothing but the metadata is there."""
    say = (said if said is not None else []).append
    wanted = download(server, folder, num_images, max_failures=1, num_attempts=1, source="drive")
    wanted.files.folder.mkdir(parents=True, exist_ok=True)
    return wanted.entries(Client(wanted.settings), say)


# What comes, from where, and how often it is asked for.


@pytest.mark.parametrize("source", ["drive", "mirror"])
def test_host_gives_all_and_a_second_run_asks_for_nothing(server, tmp_path, source):
    assert fetch(server, tmp_path, 5, source=source) == dict.fromkeys(ids(*range(5)), source)
    assert fetch(server, tmp_path, source=source) == dict.fromkeys(ALL, source)
    before = len(server.headers)
    assert fetch(server, tmp_path, source=source) == dict.fromkeys(ALL, source)
    assert len(server.headers) == before
    if source == "mirror":
        assert server.asked(METADATA) == []
    else:
        assert [len(server.asked(f"{image_id}.png")) for image_id in ALL] == [1] * NUM_IMAGES
        licenses = (tmp_path / "ffhq" / "LICENSES.csv").read_text(encoding="utf-8")
        assert "Author 7 \u00e9" in licenses


def test_quota_turns_to_the_mirror_and_says_so_once(server, tmp_path):
    for image_id in ALL[3:]:
        server.misbehave(f"{image_id}.png", "quota", for_ever=True)
    said = []
    came = fetch(server, tmp_path, said=said, connections=1, max_failures=2)
    assert came == dict.fromkeys(ALL[:3], "drive") | dict.fromkeys(ALL[3:], "mirror")
    host = server.url.removeprefix("http://")
    assert said == [
        f"Google Drive: the download quota is used up; 9 images come from the mirror {host}"
        ", which reads about 0.9 GB"
    ]
    asked = [image_id for image_id in ALL[3:] if server.asked(f"{image_id}.png")]
    assert len(asked) == 2  # after that Drive is left in peace
    assert fetch(server, tmp_path) == came  # where each came from survives the run


def test_drive_alone_says_what_is_kept_and_what_is_missing(server, tmp_path):
    for image_id in ALL[3:]:
        server.misbehave(f"{image_id}.png", "quota-403", for_ever=True)
    with pytest.raises(PrepareError) as error:
        fetch(server, tmp_path, source="drive", connections=1)
    assert str(error.value) == (
        f"3 of 12 images are kept in {tmp_path / 'ffhq'}, 9 are missing (00003 first): Google "
        "Drive: the download quota is used up; run the same command again later: it continues from "
        "here, or use SOURCE=mirror"
    )
    server.faults.clear()
    assert len(fetch(server, tmp_path, source="drive")) == NUM_IMAGES


def test_images_that_drive_withholds_come_from_the_mirror(server, tmp_path):
    for image_id, fault in zip(ALL[2:5], ("403", "500", "wrong"), strict=True):
        server.misbehave(f"{image_id}.png", fault, for_ever=True)
    expected = dict.fromkeys(ALL[:2], "drive") | dict.fromkeys(ALL[2:5], "mirror")
    assert fetch(server, tmp_path, 5, num_attempts=2, max_failures=9) == expected
    assert not list(tmp_path.rglob("*.png.part"))


def test_no_network_ends_soon_and_says_so(tmp_path):
    nowhere = "http://127.0.0.1:9"
    settings = FfhqSettings(drive_url=nowhere, mirror_url=nowhere, num_attempts=2, backoff_s=0.01)
    with pytest.raises(PrepareError, match=r"0 of 12 .* no connection to 127\.0\.0\.1:9"):
        list(FfhqDownload(settings, tmp_path, NUM_IMAGES).originals(str))


def test_templates(server, tmp_path):
    server.files |= {f"{n:05d}.webp": image_bytes(n, "WEBP") for n in range(NUM_IMAGES)}
    changes = {
        "drive_url": server.url + "/plain/{id}.png",
        "mirror_url": server.url + "/plain/{id}.webp",
        "metadata_url": f"{server.url}/plain/{METADATA}",
    }
    server.misbehave("00003.png", "404")
    expected = dict.fromkeys(ALL, "drive") | {"00003": "mirror"}
    assert fetch(server, tmp_path, **changes) == expected


def test_images_already_made_are_not_wanted(server, tmp_path):
    assert set(fetch(server, tmp_path, 5, {"00000", "00003"})) == set(ids(1, 2, 4))
    assert fetch(server, tmp_path, 5, set(ids(*range(5)))) == {}


def test_changed_file_is_fetched_again_and_a_lost_record_costs_a_check_alone(server, tmp_path):
    fetch(server, tmp_path, 4)
    folder = tmp_path / "ffhq" / "images1024x1024" / "00000"
    (folder / "00001.png").write_bytes(b"damaged")
    (folder / "00002.png").touch()  # another time, the same bytes
    (folder / "00003.png").unlink()
    assert len(fetch(server, tmp_path, 4)) == 4
    assert [len(server.asked(f"{n:05d}.png")) for n in range(4)] == [1, 2, 1, 2]
    (tmp_path / "ffhq" / "checked.jsonl").unlink()
    assert fetch(server, tmp_path, 4) == dict.fromkeys(ALL[:4], "drive")
    assert [len(server.asked(f"{n:05d}.png")) for n in range(4)] == [1, 2, 1, 2]


def test_what_a_download_takes_is_known_before(server, tmp_path):
    fetch(server, tmp_path, 4)
    done = {"00000", "00005"}
    disk_bytes = 995 * 1_273_000  # and the metadata
    plan = download(server, tmp_path, 1000, done).plan()
    assert plan == (995, disk_bytes + 1000 * 4000, disk_bytes)
    plan = download(server, tmp_path, 20, done, source="mirror").plan()
    assert plan == (15, 960_000_000 * 15 // 16, 15 * 960_000)  # nearly all of a tar
    assert download(server, tmp_path / "not" / "yet", 2, ids(0, 1)).plan() == (0, 0, 0)


# The metadata, its ids and licenses.


def test_metadata_is_kept_as_far_as_it_was_read(server, tmp_path):
    server.files[METADATA] = whole = metadata_bytes(600, lambda number: b"")
    found = entries(server, tmp_path, 5)
    assert list(found) == ids(*range(5))
    assert found["00003"].file_id == drive_id("00003")
    assert found["00003"].md5 == hashlib.md5(b"").hexdigest()
    kept = tmp_path / "ffhq" / f"{METADATA}.part"
    first = kept.stat().st_size
    assert first < len(whole) // 2
    assert len(entries(server, tmp_path, 5)) == 5
    assert len(server.asked(METADATA)) == 1
    assert len(entries(server, tmp_path, 600)) == 600  # more goes on from there
    assert server.asked(METADATA)[1].start == first
    assert kept.read_bytes() == whole


def test_without_metadata_the_mirror_still_works(server, tmp_path):
    server.misbehave(METADATA, "404", for_ever=True)
    said = []
    assert fetch(server, tmp_path, 3, said=said) == dict.fromkeys(ALL[:3], "mirror")
    assert said[0].startswith("FFHQ's metadata: HTTP 404 Not Found; 0 of 3 entries read")
    assert not (tmp_path / "ffhq" / "LICENSES.csv").exists()


@pytest.mark.parametrize("rest", [b"", b"}" * 2_000_000])
def test_damaged_metadata_leaves_the_rest_to_the_mirror(server, tmp_path, files, rest):
    said = []
    server.files[METADATA] = files[METADATA][: len(files[METADATA]) // 2] + rest
    came = fetch(server, tmp_path, said=said)
    assert set(came.values()) == {"drive", "mirror"}
    assert len(came) == NUM_IMAGES
    assert "FFHQ's metadata: it is damaged" in said[0]


@pytest.mark.parametrize("beginning", ['{"0": {"a":' * 2_000_000, '{"0": {"' + "x" * 20_000_000])
def test_what_would_fill_the_memory_is_no_metadata(server, tmp_path, beginning):
    server.files[METADATA] = b"<html>" + beginning.encode()
    said = []
    assert entries(server, tmp_path, 5, said) == {}
    assert "it is damaged" in said[0]
    assert (
        server.asked(METADATA)[0].num_bytes < 12_000_000
    )  # most of it lies in the buffers between the two
    assert list((tmp_path / "ffhq").iterdir()) == []


def test_odd_entries_cost_no_other(files):
    changes = ('image": {', 'image": 0, "x": {'), ('"file_size": ', f'"file_size": {"9" * 5000}')
    text = files[METADATA].decode()
    for old, new in changes:
        text = text.replace(old, new, 1)
    found = list(read_entries([text[:999].encode(), text[999:].encode()]))
    assert [image_id for image_id, _ in found] == ALL
    assert None not in dict(found[1:]).values()


def test_ids(server, tmp_path):
    assert wanted_ids(None, 3) == ids(0, 1, 2)
    assert wanted_ids("60000-60999", 2) == ids(60000, 60001)
    assert wanted_ids("7, 42, 5-7", 10) == ids(7, 42, 5, 6)
    (tmp_path / "ids.txt").write_text("00042\n00007.png\n9-10\n")
    assert wanted_ids(str(tmp_path / "ids.txt"), 10) == ids(42, 7, 9, 10)
    assert list(fetch(server, tmp_path, 3, ids="9,2-7", connections=1)) == ids(9, 2, 3)


def test_file_of_ids_that_is_no_text_is_named(tmp_path):
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DamagedRecordError, match=r"ids\.txt is damaged.*; name a file of ids"):
        wanted_ids(str(tmp_path / "ids.txt"), 10)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_licenses_are_added_and_sorted_and_no_cell_is_a_formula(tmp_path, files):
    found, path = dict(read_entries([files[METADATA]])), tmp_path / "LICENSES.csv"
    write_licenses(path, [found["00002"]])
    write_licenses(path, [found["00000"], found["00001"]])
    assert [row["id"] for row in rows_of(path)] == ids(0, 1, 2)
    assert rows_of(path)[2]["license"] == "Attribution License"
    assert rows_of(path)[2]["photo_title"] == 'A title, with "quotes"'
    before = path.stat().st_mtime_ns
    write_licenses(path, [found["00000"]])
    assert path.stat().st_mtime_ns == before
    formula = files[METADATA].replace(b'"Author 4 ', b'"=HYPERLINK(1) ')
    write_licenses(path, [dict(read_entries([formula]))["00004"]])
    assert rows_of(path)[-1]["author"].startswith("'=HYPERLINK(1)")


def test_damaged_table_of_licenses_is_named_and_left_alone(tmp_path, files):
    path = tmp_path / "LICENSES.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DamagedRecordError, match=r"LICENSES\.csv is damaged.*; move it away"):
        write_licenses(path, dict(read_entries([files[METADATA]])).values())
    assert path.read_bytes() == b"\xff\xfe"


# Files on disk: our own and a copy.


def put(folder, number, data=None):
    path = folder / image_file(f"{number:05d}", ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data or image_bytes(number))
    return path


def test_what_lies_in_the_place_of_an_image_is_removed(tmp_path):
    long, pipe = put(tmp_path, 0), tmp_path / image_file("00001", ".png")
    os.truncate(long, 6_000_000_000)
    os.mkfifo(pipe)
    for image_id in ids(0, 1):
        assert list(VerifiedFiles(tmp_path).reverify(image_id, None)) == []
    assert not os.path.lexists(long)
    assert not os.path.lexists(pipe)


def test_record_that_names_a_file_elsewhere_is_not_trusted(tmp_path):
    path, record = put(tmp_path / "ffhq", 0), tmp_path / "ffhq" / "checked.jsonl"
    VerifiedFiles(tmp_path / "ffhq").record("00000", path, "drive", "")
    (tmp_path / "secret.png").write_bytes(image_bytes(0))
    odd = json.loads(record.read_text()) | {"id": "00001", "extension": "/../../../secret.png"}
    record.write_text(f"{json.dumps(odd)}\n{record.read_text()}")
    files = VerifiedFiles(tmp_path / "ffhq")
    assert files.find("00000").source == "drive"
    assert files.find("00001") is None


def test_nothing_is_written_or_removed_through_a_link_out_of_the_folder(tmp_path):
    put(tmp_path / "outside", 0)
    damaged = put(tmp_path / "outside", 1, b"damaged")
    (tmp_path / "ffhq").mkdir()
    (tmp_path / "ffhq" / "images1024x1024").symlink_to(tmp_path / "outside" / "images1024x1024")
    files = VerifiedFiles(tmp_path / "ffhq")
    assert [original.source for original in files.reverify("00000", None)] == ["folder"]
    with pytest.raises(PrepareError, match=r"SOURCE=folder FROM=.*outside"):
        files.path_for("00002", ".png")
    with pytest.raises(PrepareError):
        list(files.reverify("00001", None))
    assert damaged.exists()


@pytest.fixture
def copy(tmp_path):
    for number in (0, 1, 3, 999, 1000, 69999):
        put(tmp_path, number, b"not looked into")
    return tmp_path


def test_layout_of_a_copy_is_recognized(copy, tmp_path):
    assert is_ffhq_copy(copy)
    assert is_ffhq_copy(copy / "images1024x1024")
    (tmp_path / "other" / "00000").mkdir(parents=True)
    (tmp_path / "other" / "00000" / "cat.png").touch()
    assert not is_ffhq_copy(tmp_path / "other")


@pytest.mark.parametrize("inside", ["", "images1024x1024"])
def test_files_of_a_copy_are_used_where_they_lie(copy, inside):
    originals = list(ffhq_copy_originals(copy / inside, 4))
    assert [original.id for original in originals] == ids(0, 1, 3, 999)
    path = copy / "images1024x1024" / "00000" / "00003.png"
    assert (originals[2].path, originals[2].source) == (path, "folder")
    originals = ffhq_copy_originals(copy, 9, ids="999-1000,69999", done_ids={"01000"})
    assert [original.id for original in originals] == ids(999, 69999)


@pytest.mark.parametrize(("chosen", "found"), [(None, "6 of the 7"), ("0-2", "2 of the 3")])
def test_what_a_copy_lacks_is_said_after_what_it_has(copy, chosen, found):
    came = []
    watched = (came.append(original.id) for original in ffhq_copy_originals(copy, 7, chosen))
    with pytest.raises(PrepareError, match=f"holds {found} images asked for"):
        list(watched)
    assert came == ids(0, 1, 3, 999, 1000, 69999)[: int(found[0])]


# Whatever a host sends: right images, or a reason; nothing outside.

FEW = 3
METADATA_OF_FEW = metadata_bytes(FEW)
TAR_OF_FEW = tar_bytes([(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in (2, 0, 1)])


OF_METADATA = st.one_of(damaged(METADATA_OF_FEW), odd_json(METADATA_OF_FEW), TEXTS)
OF_TAR = st.one_of(damaged(TAR_OF_FEW), TEXTS)


@pytest.mark.parametrize(
    ("source", "name", "contents"),
    [("drive", METADATA, OF_METADATA), ("mirror", "00000.tar", OF_TAR)],
)
@fuzzed(25)
@given(data=st.data())
def test_damage_brings_right_images_or_none(server, tmp_path, source, name, contents, data):
    server.files[name] = data.draw(contents)
    with contextlib.suppress(PrepareError):  # some are missing, and it says which
        changes = {"source": source, "num_attempts": 2, "backoff_s": 0.001}
        for original in download(server, tmp_path / "in", FEW, **changes).originals(str):
            if original.source == "drive":  # of the mirror's there is no checksum
                assert original.path.read_bytes() == image_bytes(int(original.id))
            with Image.open(original.path) as image:
                assert image.size == (1024, 1024)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]
    shutil.rmtree(tmp_path / "in")


# `pipeline.py dataset` as a person types it, and stops it.


def words_of(server, data_dir, *words):
    where = ["--data-dir", str(data_dir), "--drive-url", server.url]
    where += ["--mirror-url", f"{server.url}/mirror", "--backoff-s", "0.01"]
    few = ["--num-images", "4", "--workers", "1", "--radius", "9", "--size", "32"]
    return ["dataset", *where, *few, *words]


def start(server, data_dir, *words):
    return subprocess.Popen(command(*words_of(server, data_dir, *words)), stderr=subprocess.PIPE)


def whole(data_dir, suffix):
    """Names of the files that carry their final name; each has to be right whenever one looks."""
    paths = list(data_dir.glob(f"originals/ffhq/images1024x1024/00000/*{suffix}"))
    for path in paths:
        assert path.read_bytes() == image_bytes(int(path.stem), suffix[1:].upper()), path.name
    return {path.name for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "suffix"), [("drive", ".png"), ("mirror", ".webp")])
def test_killed_it_goes_on_and_asks_for_nothing_twice(server, tmp_path, source, suffix):
    server.delay_s = 0.01  # per 4 KiB
    process = start(server, tmp_path, "--source", source)
    while process.poll() is None and not list(tmp_path.rglob(f"*{suffix}")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    server.delay_s, before, num_asked = 0, whole(tmp_path, suffix), len(server.requests)
    assert dataset(server, tmp_path, "--source", source) == 0
    assert len(whole(tmp_path, suffix)) == 4
    assert not {request.name for request in server.requests[num_asked:]} & before
    assert not list(tmp_path.glob("originals/ffhq/images1024x1024/*/*.part"))


def test_interrupt_keeps_what_is_whole_and_ends_at_once(server, tmp_path):
    server.misbehave("00003.png", "silent", for_ever=True)
    process = start(server, tmp_path, "--source", "drive")
    while process.poll() is None and len(list(tmp_path.glob("blurred_resized/*/*.jpg"))) < 3:
        time.sleep(0.01)
    time.sleep(0.1)  # now it waits for the fourth
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    process.communicate(timeout=20)
    assert time.monotonic() - before < 10  # not the 30 s that a silent server is given
    assert process.returncode == 130
    assert len(whole(tmp_path, ".png")) == 3


def dataset(server, data_dir, *words):
    return pipeline.main(words_of(server, data_dir, *words))


def sources(data_dir):
    lines = (data_dir / "manifest.jsonl").read_text().splitlines()
    return {image["id"]: image["source"] for image in map(json.loads, lines)}


def test_drive_gives_pairs_licenses_and_a_notice_and_a_second_call_asks_nothing(
    server, tmp_path, capsys
):
    assert dataset(server, tmp_path) == 0
    said = capsys.readouterr().out
    assert "facial recognition" in said
    assert "4 photographs to download: about 5.1 MB;" in said
    assert sources(tmp_path) == dict.fromkeys(ids(0, 1, 2, 3), "drive")
    assert (tmp_path / "originals/ffhq/LICENSES.csv").exists()
    assert len(list(tmp_path.glob("blurred_resized/disc-r9/*.jpg"))) == 4
    asked = len(server.headers)
    assert dataset(server, tmp_path) == 0
    assert "0 to make" in capsys.readouterr().out
    assert len(server.headers) == asked


def test_without_keep_the_originals_go_and_blur_says_so(server, tmp_path, capsys):
    for _ in range(2):
        assert dataset(server, tmp_path, "--keep", "0") == 0
        assert not list(tmp_path.glob("originals/ffhq/images1024x1024/00000/*"))
    assert [len(server.asked(f"{number:05d}.png")) for number in range(4)] == [1] * 4
    words = ["--data-dir", str(tmp_path), "--radius", "5", "--size", "32"]
    assert pipeline.main(["blur", *words]) == 1
    assert "error: 4 of 4 originals could not be used" in capsys.readouterr().err


def test_a_copy_is_used_in_place(server, tmp_path):
    fetch(server, tmp_path, 4)
    data_dir = tmp_path / "data"
    assert dataset(server, data_dir, "--source", "folder", "--from", str(tmp_path / "ffhq")) == 0
    assert (data_dir / "originals/folder/images1024x1024").is_symlink()
    assert len(list(data_dir.glob("blurred_resized/disc-r9/*.jpg"))) == 4


def test_password_of_an_address_is_printed_nowhere(server, tmp_path, capsys):
    words = ["--mirror-url", "http://me:secret@127.0.0.1:9", "--source", "mirror"]
    for more in ([], ["--dry-run"], ["--drive-url", "ftp://me:secret@127.0.0.1"]):
        with contextlib.suppress(SystemExit):
            dataset(server, tmp_path, *words, "--num-attempts", "1", *more)
        said = capsys.readouterr()
        assert "127.0.0.1" in said.out + said.err
        assert "secret" not in said.out + said.err
