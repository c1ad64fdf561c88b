"""Records on disk: logs, objects, tables, the manifest; and what is damaged or cannot be read."""

import builtins
import concurrent.futures
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.data_and_run import DATA_RECORDS, RUN_RECORDS, commands, run, write_data_and_run
from helpers.fuzz import fuzzed, odd_record
from helpers.pair_files import ROOT, read_lines, tree, write_photos
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from prepare import pairs
from prepare.originals import Original, seen_photographs
from prepare.pairs import PairRecords, complete_ids
from prepare.records.data_folder import (
    DataFolder,
    ImageRecord,
    read_manifest,
    read_rejected,
    split_of,
    write_manifest,
    write_rejected,
)
from prepare.records.jsonl import (
    JsonLines,
    json_line,
    read_json,
    read_log,
)
from prepare.records.settings import DamagedRecordError


class Score(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    psnr_db: float


def image(image_id: str, width: int = 1024) -> ImageRecord:
    return ImageRecord(image_id, split_of(image_id), "folder", 64 * "a", width, 768)


IMAGES = {each: image(each) for each in ("00002", "00000", "Zoë, at sea", "00001")}
HINT = "bring it back"
ODD_LINES = [
    *(b"{}", b"[1]", b"null", b"\xff\xfe", b'{"id": "a"}', b'{"id": 1, "psnr_db": 2}'),
    *(b'{"id": "a", "psnr_db": NaN}', b'{"id": "a", "psnr_db": 1e999}', b"[" * 100_000),
    *(b'{"id": "a", "psnr_db": 2, "more": 3}', b'{"id": "\\ud800", "psnr_db": 2}', b"{", b"\0" * 9),
]


def score_log(tmp_path, **options) -> JsonLines[Score]:
    return JsonLines(tmp_path / "scores.jsonl", Score, "remove it", **options)


def test_log_holds_what_is_appended_in_this_order(tmp_path):
    log = score_log(tmp_path / "new folder")
    assert log.read() == []
    log.append([Score("a", 2.5), Score("é\u2028\n", -1)])
    log.append([Score("a", 3)], sync=True)
    assert log.read() == [Score("a", 2.5), Score("é\u2028\n", -1), Score("a", 3)]
    log.rewrite([Score("b", 4.0)])
    assert log.path.read_bytes() == b'{"id": "b", "psnr_db": 4.0}\n'


def test_torn_line_is_not_there_and_costs_no_other(tmp_path):
    log = score_log(tmp_path, skip_damaged=True)
    log.append([Score("a", 1), Score("b", 2)])
    content = log.path.read_bytes()
    for num_bytes in range(len(content) - 1):
        log.path.write_bytes(content[:num_bytes])
        whole = [Score("a", 1)] if num_bytes >= content.index(b"\n") else []
        assert log.read() == score_log(tmp_path).read() == whole
        for _ in range(2):  # killed, gone on, killed again, gone on
            log.append([Score("c", 3)])
            whole.append(Score("c", 3))
            assert log.read() == score_log(tmp_path).read() == whole
            with log.path.open("ab") as file:
                file.write(content[:20])
    log.path.write_bytes(content[:-1])  # the line end alone is missing
    log.append([Score("c", 3)])
    assert log.path.read_bytes() == content + json_line(Score("c", 3))


def test_threads_append_to_one_log_and_no_line_is_lost(tmp_path):
    logs = [score_log(tmp_path) for _ in range(4)]
    scores = [Score("x" * 300, number) for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, score in enumerate(scores):
            pool.submit(logs[number % 4].append, [score])
    assert sorted(logs[0].read(), key=lambda score: score.psnr_db) == scores


@pytest.mark.parametrize("line", ODD_LINES)
def test_line_that_is_no_record_is_damage_or_left_out(tmp_path, line):
    whole = json_line(Score("a", 1))
    (tmp_path / "scores.jsonl").write_bytes(whole + line + b"\n" + whole)
    with pytest.raises(DamagedRecordError, match=r"scores\.jsonl is damaged \(.*\); remove it$"):
        score_log(tmp_path).read()
    assert score_log(tmp_path, skip_damaged=True).read() == 2 * [Score("a", 1)]
    (tmp_path / "score.json").write_bytes(line)
    with pytest.raises(DamagedRecordError, match=r"score\.json is damaged \(.*\); remove it$"):
        read_json(tmp_path / "score.json", Score, "remove it")


# Tables.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("step,l1\n1,0.5\n2,many\n", "'many'"),
        ("step,l1\n1.5,0.5\n", "'1.5'"),
        ("step,l1\n1\n2,0.5\n", "a line has not as many values"),
        ("1,0.5\n2,0.4\n", "no column step"),
    ],
)
def test_log_that_is_none_is_named(tmp_path, content, reason):
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(
        DamagedRecordError, match=r"log\.csv is damaged .*; bring it back"
    ) as raised:
        read_log(path, HINT)
    assert reason in str(raised.value)


# The records of a data folder.


def test_split_is_the_first_64_bits_of_the_hash_modulo_10():
    for image_id in (*(f"{number:05d}" for number in range(20)), "sample-0-00007", "Zoë"):
        command = ["sha256sum"]
        digest = subprocess.run(command, input=image_id.encode(), stdout=subprocess.PIPE).stdout
        is_test = int(digest[:16], 16) % 10 in (8, 9)
        assert split_of(image_id) == ("test" if is_test else "train")


def test_manifest_is_one_json_object_a_line_in_the_order_of_ids(tmp_path):
    assert read_manifest(tmp_path / "none") == {}
    write_manifest(tmp_path / "one", IMAGES)
    write_manifest(tmp_path / "other", dict(reversed(IMAGES.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert read_manifest(tmp_path / "one") == IMAGES
    lines = read_lines(tmp_path / "one")
    assert [line["id"] for line in lines] == sorted(IMAGES)
    assert list(lines[0]) == ["id", "split", "source", "sha256", "width", "height"]
    assert "Zoë" in (tmp_path / "one").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "image_id", ["", ".", "..", "../../x", "/etc/passwd", "a/b", "a\0b", "x" * 252, 7, None]
)
def test_id_that_leaves_its_folder_is_a_damaged_record(tmp_path, image_id):
    line = {"id": image_id, "split": "test", "source": "folder", "sha256": "a"}
    (tmp_path / "m").write_bytes(json_line(line | {"width": 64, "height": 64}))
    with pytest.raises(DamagedRecordError, match=r"m is damaged .*run `make clean-p"):
        read_manifest(tmp_path / "m")
    names = ["a", "...", "a..b", "-x", "x" * 251, "\u5199" * 83, " ", "new\nline\u2028", "C:x"]
    write_manifest(tmp_path / "m", {name: image(name) for name in names})
    assert sorted(read_manifest(tmp_path / "m")) == sorted(names)


def test_rejected_are_listed_by_file_and_come_back(tmp_path):
    rejected = {("b", "/x/b.png"): "is 4x4", ("a", "/y/a.png"): "", ("c", "/x/a.png"): "Zoë"}
    write_rejected(tmp_path / "rejected.jsonl", rejected)
    assert read_rejected(tmp_path / "rejected.jsonl") == rejected
    assert [line["id"] for line in read_lines(tmp_path / "rejected.jsonl")] == ["c", "b", "a"]
    (tmp_path / "rejected.jsonl").write_text('{"id": "a", "file": "b"}\n')
    with pytest.raises(DamagedRecordError, match="run `make clean-pairs`"):
        read_rejected(tmp_path / "rejected.jsonl")


# The manifest as a log, while pairs are made.


def original(tmp_path, image_id: str) -> Original:
    return Original(image_id, tmp_path / f"{image_id}.png", "folder")


def test_saves_write_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "SAVE_EVERY", 10)
    written = []
    for name in ("write_manifest", "write_rejected"):
        really = getattr(pairs, name)

        def counted(path, content, really=really):
            written.append(len(content))
            really(path, content)

        monkeypatch.setattr(pairs, name, counted)
    data, num_images = DataFolder(tmp_path), 400
    records = PairRecords(data, [])
    for number in range(num_images):
        records.reject(original(tmp_path, f"bad {number}"), "is 4x4")
        records.accept(original(tmp_path, f"{number}"), image(f"{number}"))
        assert len(read_manifest(data.manifest)) == number // 10 * 10
    records.finish()
    assert sum(written) < 12 * num_images  # 16,400 and more if each save wrote all
    assert [line["id"] for line in read_lines(data.manifest)] == sorted(records.images)


def test_what_an_earlier_command_added_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "SAVE_EVERY", 2)
    data = DataFolder(tmp_path)
    for first in (0, 6, 12):  # each killed after its last
        records = PairRecords(data, [])
        assert len(records.images) == first
        for number in range(first, first + 7):
            records.accept(original(tmp_path, f"{number}"), image(f"{number}"))
    records.accept(original(tmp_path, "5"), image("5", width=9))
    records.forget("3")
    for number in (20, 21):
        records.accept(original(tmp_path, f"{number}"), image(f"{number}"))
    assert set(read_manifest(data.manifest)) == {str(number) for number in range(19)} - {"3"}
    assert read_manifest(data.manifest)["5"].width == 9
    records.finish()
    assert set(read_manifest(data.manifest)) == set(records.images)


PROGRAM = "import sys; from prepare import pairs as r; r.SAVE_EVERY = 1; import pipeline; "
PROGRAM += "sys.exit(pipeline.main(sys.argv[1:]))"


def kill_once_saved(command, data: DataFolder, num_saved: int) -> set[str]:
    """Starts a command, kills it when so many images are in the manifest, and says which are."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        until_s = time.monotonic() + 60
        while len(read_manifest(data.manifest)) < num_saved:
            assert process.poll() is None, "finished before it could be killed"
            assert time.monotonic() < until_s
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    saved = set(read_manifest(data.manifest))
    assert num_saved <= len(saved) < 12
    assert complete_ids(saved, data, []) == saved
    return saved


def test_command_killed_twice_keeps_what_it_saved_and_goes_on(tmp_path):
    photos = write_photos(tmp_path / "photos", [f"{number:02d}.png" for number in range(12)])
    data = DataFolder(tmp_path / "data")
    words = ["dataset", "--num-images", "12", "--source", "folder", "--from", str(photos)]
    words += ["--size", "32", "--workers", "1", "--radius", "0-60", "--data-dir"]
    assert pipeline.main([*words, str(tmp_path / "whole")]) == 0
    times: dict[Path, int] = {}
    for num_saved in (1, 6):
        saved = kill_once_saved([sys.executable, "-c", PROGRAM, *words, data.path], data, num_saved)
        for log in (data.manifest, seen_photographs(data).path):
            with log.open("ab") as file:  # as if in the middle of a line
                file.write(log.read_bytes()[:40].rstrip(b"\n"))
        times = {path: path.stat().st_mtime_ns for path in map(data.sharp_path, saved)} | times
    assert pipeline.main([*words, str(data.path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times  # none was made again
    assert tree(data.path) == tree(tmp_path / "whole")


# What people see.


RUN = "runs/run"
READ_BY = [
    *(("data/manifest.jsonl", name) for name in ("dataset", "blur", "train")),
    ("data/rejected.jsonl", "dataset"),
    *(("data/blurred_resized/disc-r30/kernel.json", name) for name in ("dataset", "train")),
    ("data/blurred_resized/disc-r10-40/kernel.json", "blur"),
    *((f"{RUN}/settings.json", name) for name in ("train", "report")),
    (f"{RUN}/log.csv", "report"),
    *((f"{RUN}/evaluation/disc-r30/metrics.json", name) for name in ("report", "compare")),
    *((f"{RUN}/evaluation/disc-r30/scores.jsonl", name) for name in ("report", "compare")),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_data_and_run(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "folder", symlinks=True)


def refuse(monkeypatch, refused):
    """Lets no one open a file, as its permissions would for anyone but root."""

    def guarded(really_open):
        def opened(path, *arguments, **options):
            if not isinstance(path, int) and os.fspath(path) == os.fspath(refused):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return really_open(path, *arguments, **options)

        return opened

    for module in (os, io, builtins):
        monkeypatch.setattr(module, "open", guarded(module.open))


def assert_one_line(capsys, folder, record, words):
    code, errors = run(capsys, *words)
    assert code == 1
    [line] = errors
    assert f"{folder / record} " in line
    assert "; " in line  # what can be done
    return line


@pytest.mark.parametrize(("record", "name"), READ_BY)
def test_what_stands_in_the_place_of_a_record_is_named_and_kept(
    folder, capsys, monkeypatch, record, name
):
    # Another that is to be made has to look at those that are there.
    if (record, name) == ("data/rejected.jsonl", "dataset"):
        (folder / "data/not_blurred_resized/00.jpg").unlink()
    path = folder / record
    with monkeypatch.context() as patch:
        refuse(patch, path)
        line = assert_one_line(capsys, folder, record, commands(folder)[name])
    assert "Permission denied" in line
    for odd in (b"\xff\n", b"[1]\n"):
        path.write_bytes(odd)
        assert_one_line(capsys, folder, record, commands(folder)[name])
        assert path.read_bytes() == odd
    path.unlink()
    os.mkfifo(path)
    assert_one_line(capsys, folder, record, commands(folder)[name])
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("mine")
    assert_one_line(capsys, folder, record, commands(folder)[name])
    assert (path / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["dataset", "blur", "train", "report", "compare"])
@fuzzed(8)
@given(data=st.data())
def test_damaged_record_is_one_line_at_most(whole, tmp_path_factory, capsys, name, data):
    folder = tmp_path_factory.mktemp("copy") / "folder"
    shutil.copytree(whole, folder, symlinks=True)
    records = [folder / "data" / file for file in DATA_RECORDS]
    records += [folder / "runs" / "run" / file for file in RUN_RECORDS]
    path = data.draw(st.sampled_from(records))
    path.write_bytes(data.draw(odd_record(path.read_bytes())))
    outside = tree(folder / "photos")
    run(capsys, *commands(folder)[name])
    assert tree(folder / "photos") == outside
    assert {entry.name for entry in folder.iterdir()} == {"photos", "data", "runs"}
    shutil.rmtree(folder.parent)


def test_undamaged_records_serve_every_command(whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "folder", symlinks=True)
    for words in commands(folder).values():
        assert run(capsys, *words) == (0, [])
    scores = json.loads((folder / "runs/run/evaluation/disc-r30/metrics.json").read_text())
    assert np.isfinite(scores["rows"]["restored"]["psnr_db"])
