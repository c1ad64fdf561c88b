"""What a command adds to a manifest is there after a kill, and costs no more than what is new."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
from helpers.fuzz import damaged, fuzzed
from helpers.pair_files import ROOT, tree, write_photos
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from prepare import pair_records
from prepare.originals import Original
from prepare.pair_records import PairRecords
from prepare.records.data_folder import DataFolder
from prepare.records.journal import Journal, journal_path
from prepare.records.manifest import (
    ImageRecord,
    forgotten,
    read_manifest,
    split_of,
    write_lines,
    write_manifest,
)
from prepare.records.settings import DamagedRecordError
from prepare.sets import complete_ids


def image(image_id: str) -> ImageRecord:
    return ImageRecord(image_id, split_of(image_id), "folder", 64 * "a", 64, 64)


def images(*ids: str) -> dict[str, ImageRecord]:
    return {image_id: image(image_id) for image_id in ids}


def original(tmp_path, image_id: str) -> Original:
    return Original(image_id, tmp_path / f"{image_id}.png", "folder")


@pytest.fixture
def journaled(tmp_path):
    """Path of a manifest of b and c; its journal adds a, takes b out and puts another c in."""
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, images("b", "c"))
    journal = Journal(path)
    journal.add([asdict(image("a"))])
    journal.add([forgotten("b"), asdict(image("c")) | {"width": 9}])
    return path


def test_changes_count_and_the_manifest_stays_until_it_is_written(journaled):
    found = read_manifest(journaled)
    assert set(found) == {"a", "c"}
    assert found["c"].width == 9
    assert [json.loads(line)["id"] for line in journaled.read_text().splitlines()] == ["b", "c"]
    write_manifest(journaled, found)
    assert read_manifest(journaled) == found
    assert [path.name for path in journaled.parent.iterdir()] == ["manifest.jsonl"]


def test_what_is_torn_leaves_all_that_stands_before_it(journaled):
    path = journal_path(journaled)
    content = path.read_bytes()
    header, *changes = content.splitlines(keepends=True)
    states = [{"b", "c"}, {"a", "b", "c"}, {"a", "c"}, {"a", "c"}]
    for num_bytes in range(len(content) + 1):
        path.write_bytes(content[:num_bytes])
        num_whole = sum(
            num_bytes >= len(header) + len(b"".join(changes[: count + 1])) for count in range(3)
        )
        assert set(read_manifest(journaled)) == states[num_whole]
    path.write_bytes(header + changes[0] + b'{"id": "\0\xff"}\n' + changes[1])
    assert set(read_manifest(journaled)) == states[1]


def test_journal_of_another_manifest_is_nothing(journaled):
    """As after a kill between the two steps in which the manifest takes it in."""
    write_lines(journaled, map(asdict, images("b").values()))
    assert set(read_manifest(journaled)) == {"b"}
    journaled.unlink()
    assert read_manifest(journaled) == {}


def test_a_new_journal_takes_the_place_of_an_old_one(journaled):
    journal = Journal(journaled)
    assert set(read_manifest(journaled)) == {"b", "c"}
    journal.add([asdict(image("d"))])
    assert set(read_manifest(journaled)) == {"b", "c", "d"}


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_journal_is_named(journaled, kind):
    path = journal_path(journaled)
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(DamagedRecordError, match=r"manifest\.jsonl\.journal is damaged; run `make"):
        read_manifest(journaled)
    assert pipeline.main(["clean-pairs", "--data-dir", str(journaled.parent)]) == 0
    assert not os.path.lexists(path)


@fuzzed(60)
@given(data=st.data())
def test_fuzzed_journal_never_hides_the_manifest_nor_ends_a_command(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "manifest.jsonl"
    write_manifest(path, images("b", "c"))
    Journal(path).add(map(asdict, images("a", "d", "e").values()))
    content = journal_path(path).read_bytes()
    journal_path(path).write_bytes(data.draw(damaged(content)))
    assert {"b", "c"} <= set(read_manifest(path))
    shutil.rmtree(path.parent)


def test_saves_write_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_records, "SAVE_EVERY", 10)
    written = []
    for name in ("write_manifest", "write_rejected"):
        really = getattr(pair_records, name)

        def counted(path, content, really=really):
            written.append(len(content))
            really(path, content)

        monkeypatch.setattr(pair_records, name, counted)
    data, num_images = DataFolder(tmp_path), 1000
    records = PairRecords(data, [])
    for number in range(num_images):
        records.reject(original(tmp_path, f"bad {number}"), "is 4x4")
        records.accept(original(tmp_path, f"{number}"), image(f"{number}"))
        if number % 10 == 9:
            assert len(read_manifest(data.manifest)) == number + 1
    records.finish()
    assert sum(written) < 12 * num_images  # 101,000 and more if each save wrote all
    assert len(read_manifest(data.manifest)) == num_images
    assert not journal_path(data.manifest).exists()


def test_what_an_earlier_command_added_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_records, "SAVE_EVERY", 2)
    data = DataFolder(tmp_path)
    for first in (0, 6, 12):  # each killed after its last
        records = PairRecords(data, [])
        assert len(records.images) == first
        for number in range(first, first + 7):
            records.accept(original(tmp_path, f"{number}"), image(f"{number}"))
    records.forget("3")
    records.finish()
    assert set(read_manifest(data.manifest)) == {f"{number}" for number in range(19)} - {"3"}


PROGRAM = "import sys; from prepare import pair_records as r; r.SAVE_EVERY = 1; import pipeline; "
PROGRAM += "sys.exit(pipeline.main(sys.argv[1:]))"


@pytest.mark.parametrize("num_saved", [1, 2, 5])
def test_killed_command_keeps_what_it_saved_and_goes_on(tmp_path, num_saved):
    names = [f"{number:02d}.png" for number in range(12)]
    photos = write_photos(tmp_path / "photos", names, height=600)
    words = ["dataset", "--num-images", "12", "--size", "64", "--source", "folder"]
    words += ["--from", str(photos), "--workers", "1", "--data-dir"]
    assert pipeline.main([*words, str(tmp_path / "whole")]) == 0
    data = DataFolder(tmp_path / "data")
    command = [sys.executable, "-c", PROGRAM, *words, str(data.path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        until_s = time.monotonic() + 60
        while len(read_manifest(data.manifest)) < num_saved:
            assert process.poll() is None, "finished before it could be killed"
            assert time.monotonic() < until_s
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    saved = set(read_manifest(data.manifest))
    assert num_saved <= len(saved) < 12
    assert complete_ids(saved, data, []) == saved
    times = {name: data.made_at_ns(name) for name in saved}
    assert pipeline.main([*words, str(data.path)]) == 0
    assert {name: data.made_at_ns(name) for name in saved} == times  # none was made again
    assert tree(data.path) == tree(tmp_path / "whole")
