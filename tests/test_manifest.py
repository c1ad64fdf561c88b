"""Records on disk: logs of JSON lines, the manifest of a data folder, and what is damaged."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from helpers.fuzz import fuzzed, odd_record
from helpers.pair_files import ROOT, read_lines, tree, write_photos
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from prepare import pair_records
from prepare.originals import Original
from prepare.pair_records import PairRecords
from prepare.records.data_folder import (
    DataFolder,
    ImageRecord,
    read_manifest,
    read_rejected,
    split_of,
    write_manifest,
    write_rejected,
)
from prepare.records.jsonl import JsonLines, json_line, read_json
from prepare.records.settings import DamagedRecordError
from prepare.sets import complete_ids


class Score(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    psnr_db: float


def image(image_id: str, width: int = 1024) -> ImageRecord:
    return ImageRecord(image_id, split_of(image_id), "folder", 64 * "a", width, 768)


IMAGES = {each: image(each) for each in ("00002", "00000", "Zoë, at sea", "00001")}
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
        log.append([Score("c", 3)])
        assert log.read()[-1] == Score("c", 3)


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


def test_json_file_comes_back_as_its_kind(tmp_path):
    path = tmp_path / "score.json"
    assert read_json(path, Score, "") is None
    path.write_text('{"psnr_db": 2, "id": "é"}', encoding="utf-8")
    assert read_json(path, Score, "") == Score("é", 2)
    assert read_json(path, dict, "") == {"psnr_db": 2, "id": "é"}


@pytest.mark.parametrize("text", ["a", '\x7f\x1c\u2028\b\f\n\r\t"\\/é', "\U0001f600"])
def test_line_is_what_pythons_json_writes(text):
    record = {"id": text, "x": [1, -2.5, 0.01, True, None], "y": {}}
    assert json_line(record).decode() == json.dumps(record, ensure_ascii=False) + "\n"


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


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_id_that_holds_a_line_end_of_any_kind_comes_back(tmp_path, end):
    images = {f"a{end}b": image(f"a{end}b")}
    write_manifest(tmp_path / "m", images)
    assert read_manifest(tmp_path / "m") == images


@pytest.mark.parametrize(
    "text", ["NaN", "1e999999999", "[" * 1_000_000, '"\\ud800"', "9" * 5000, "1.0", "true", "null"]
)
@pytest.mark.parametrize("key", ["width", "sha256", "id", "split"])
def test_odd_value_of_the_manifest_is_damage(tmp_path, key, text):
    record = {"id": '"a"', "split": '"train"', "source": '"folder"', "sha256": '"b"'}
    record |= {"width": "9", "height": "9", key: text}
    line = ", ".join(f'"{name}": {value}' for name, value in record.items())
    (tmp_path / "manifest.jsonl").write_text(f"{{{line}}}\n")
    with pytest.raises(DamagedRecordError, match=r"manifest\.jsonl is damaged .*run `make clean-p"):
        read_manifest(tmp_path / "manifest.jsonl")


def test_rejected_are_listed_by_file_and_come_back(tmp_path):
    rejected = {("b", "/x/b.png"): "is 4x4", ("a", "/y/a.png"): "", ("c", "/x/a.png"): "Zoë"}
    write_rejected(tmp_path / "rejected.jsonl", rejected)
    assert read_rejected(tmp_path / "rejected.jsonl") == rejected
    assert [line["id"] for line in read_lines(tmp_path / "rejected.jsonl")] == ["c", "b", "a"]
    (tmp_path / "rejected.jsonl").write_text('{"id": "a", "file": "b"}\n')
    with pytest.raises(DamagedRecordError, match="run `make clean-pairs`"):
        read_rejected(tmp_path / "rejected.jsonl")


def test_manifest_is_read_sooner_than_python_alone_reads_json(tmp_path):
    images = {f"{number:05d}": image(f"{number:05d}") for number in range(20_000)}
    write_manifest(tmp_path / "m", images)
    seconds = {read_manifest: [], read_lines: []}
    for read in 3 * (read_manifest, read_lines):
        began_s = time.perf_counter()
        assert len(read(tmp_path / "m")) == 20_000
        seconds[read].append(time.perf_counter() - began_s)
    assert min(seconds[read_manifest]) < min(seconds[read_lines])  # a third of it


# The manifest as a log, while pairs are made.


def original(tmp_path, image_id: str) -> Original:
    return Original(image_id, tmp_path / f"{image_id}.png", "folder")


def test_saves_write_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_records, "SAVE_EVERY", 10)
    written = []
    for name in ("write_manifest", "write_rejected"):
        really = getattr(pair_records, name)

        def counted(path, content, really=really):
            written.append(len(content))
            really(path, content)

        monkeypatch.setattr(pair_records, name, counted)
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
    monkeypatch.setattr(pair_records, "SAVE_EVERY", 2)
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


PROGRAM = "import sys; from prepare import pair_records as r; r.SAVE_EVERY = 1; import pipeline; "
PROGRAM += "sys.exit(pipeline.main(sys.argv[1:]))"


@pytest.mark.parametrize("num_saved", [1, 2, 5])
def test_killed_command_keeps_what_it_saved_and_goes_on(tmp_path, num_saved):
    names = [f"{number:02d}.png" for number in range(12)]
    photos = write_photos(tmp_path / "photos", names)
    data = DataFolder(tmp_path / "data")
    words = ["dataset", "--num-images", "12", "--source", "folder", "--from", str(photos)]
    words += ["--size", "32", "--workers", "1", "--radius", "0-60", "--data-dir"]
    assert pipeline.main([*words, str(tmp_path / "whole")]) == 0
    command = [sys.executable, "-c", PROGRAM, *words, str(data.path)]
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
    times = {name: data.made_at_ns(name) for name in saved}
    assert pipeline.main([*words, str(data.path)]) == 0
    assert {name: data.made_at_ns(name) for name in saved} == times  # none was made again
    assert tree(data.path) == tree(tmp_path / "whole")


@fuzzed(60)
@given(data=st.data())
def test_fuzzed_log_is_read_or_named(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "manifest.jsonl"
    write_manifest(path, IMAGES)
    path.write_bytes(data.draw(odd_record(path.read_bytes())))
    with contextlib.suppress(DamagedRecordError):
        assert all(isinstance(found, ImageRecord) for found in read_manifest(path).values())


def test_failed_write_leaves_the_old_log_and_nothing_else(tmp_path):
    log = score_log(tmp_path)
    log.rewrite([Score("a", 1)])
    digest = hashlib.sha256(log.path.read_bytes()).hexdigest()
    with pytest.raises(TypeError):
        log.rewrite([Score("b", 1), Score("c", object())])
    assert hashlib.sha256(log.path.read_bytes()).hexdigest() == digest
    assert list(tmp_path.iterdir()) == [log.path]
