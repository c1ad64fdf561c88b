"""Files over HTTP, against a real server that breaks every promise HTTP makes."""

import hashlib
import os
import resource

import pytest
from helpers.downloads import DATA, check, fetch, fetched

from prepare.ffhq.download import fetch_blocks, fetch_file
from prepare.ffhq.request import DownloadError, IntegrityError, RefusedError


def test_file_arrives_whole_in_one_request(client, server, tmp_path):
    assert fetch(client, server, tmp_path) == hashlib.md5(DATA).hexdigest()
    assert fetched(tmp_path) == {"file.bin": DATA}
    assert len(server.asked("file.bin")) == 1


@pytest.mark.parametrize(
    "fault", ["500", "503", "408", "gone", "cut", "stall", "silent", "chunked", "chunked-cut"]
)
def test_passing_trouble_is_waited_out(client, server, tmp_path, fault):
    server.misbehave("file.bin", fault)
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "HTTP 500 Internal Server Error, 3 times"),
        ("429", "HTTP 429 Too Many Requests, 3 times"),
        ("gone", "no connection"),
        ("silent", r"no answer from 127.* in 0\.15 s"),
        ("cut", "the connection broke"),
        ("stall", r"silence for 0\.15 s, 3 times"),
    ],
)
def test_lasting_trouble_ends_after_a_few_attempts(client, server, tmp_path, fault, reason):
    server.misbehave("file.bin", fault, for_ever=True)
    with pytest.raises(DownloadError, match=reason):
        fetch(client, server, tmp_path)
    assert "file.bin" not in fetched(tmp_path)
    assert len({request.time_s for request in server.asked("file.bin") if request.fault}) >= 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("403", "HTTP 403 Forbidden"),
        ("404", "HTTP 404 Not Found"),
        ("page", "the server sent a web page, not a file"),
        ("loop", "the server redirects in a circle"),
    ],
)
def test_final_answer_is_not_asked_for_again(client, server, tmp_path, fault, reason):
    server.misbehave("file.bin", fault, for_ever=fault == "loop")
    with pytest.raises(RefusedError, match=reason):
        fetch(client, server, tmp_path)
    assert set(fetched(tmp_path)) <= {"file.bin.part"}
    if fault != "loop":
        assert len(server.asked("file.bin")) == 1


def test_no_server_is_said(client, tmp_path):
    with pytest.raises(DownloadError, match="no connection"):
        fetch_file(client, "http://127.0.0.1:9/file", tmp_path / "file", check=check)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/file", "no address", "http://"])
def test_address_that_is_none_is_refused(client, tmp_path, url):
    with pytest.raises(RefusedError, match="cannot be asked for"):
        fetch_file(client, url, tmp_path / "file", check=check)


def test_cut_body_goes_on_where_it_broke(client, server, tmp_path):
    server.misbehave("file.bin", "cut", "cut")
    fetch(client, server, tmp_path)
    assert [request.start for request in server.asked("file.bin")] == [0, 100_000, 150_000]
    assert sum(request.num_bytes for request in server.asked("file.bin")) == len(DATA)


def test_part_of_an_earlier_run_is_continued(client, server, tmp_path):
    server.misbehave("file.bin", "cut", "404")
    with pytest.raises(RefusedError):
        fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin.part": DATA[:100_000]}
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}
    assert server.asked("file.bin")[-1].start == 100_000


@pytest.mark.parametrize("num_bytes", [len(DATA), None])
def test_whole_part_needs_no_bytes(client, server, tmp_path, num_bytes):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.bin.part").write_bytes(DATA)
    fetch(client, server, tmp_path, num_bytes)
    assert fetched(tmp_path) == {"file.bin": DATA}
    assert server.asked("file.bin") == []


@pytest.mark.parametrize("rest", [DATA[:1000][::-1], DATA + b"more", b""])
def test_wrong_part_is_replaced(client, server, tmp_path, rest):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.bin.part").write_bytes(rest)
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}


def test_server_without_ranges_still_serves_a_resume(client, server, tmp_path):
    server.misbehave("file.bin", "cut", "no-range")
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}


@pytest.mark.parametrize("fault", ["wrong", "short", "mislabeled", "endless"])
def test_wrong_bytes_are_fetched_once_more_then_given_up(client, server, tmp_path, fault):
    server.misbehave("file.bin", fault)
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}
    (tmp_path / "folder" / "file.bin").unlink()
    server.misbehave("file.bin", fault, fault)
    with pytest.raises(IntegrityError):
        fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {}
    assert len(server.asked("file.bin")) == 4


def test_file_of_unknown_length_has_a_limit(client, server, tmp_path):
    server.misbehave("file.bin", "endless", "endless")
    url = f"{server.url}/plain/file.bin"
    with pytest.raises(IntegrityError, match="more than 300000 bytes"):
        fetch_file(client, url, tmp_path / "file", check=check, max_bytes=300_000)
    assert list(tmp_path.iterdir()) == []


def test_range_ends_where_asked(client, server):
    blocks = fetch_blocks(client, f"{server.url}/plain/file.bin", start=10, end=1010)
    assert b"".join(blocks) == DATA[10:1010]
    assert server.asked("file.bin")[0].num_bytes == 1000
    server.misbehave("file.bin", "no-range")
    blocks = fetch_blocks(client, f"{server.url}/plain/file.bin", start=10, end=1010)
    assert b"".join(blocks) == DATA[10:1010]


def test_full_disk_is_named_and_not_retried(client, server, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a disk with 1000 bytes left
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/file\.part'"):
            fetch_file(client, f"{server.url}/plain/file.bin", tmp_path / "file", check=check)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(server.asked("file.bin")) == 1


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_nothing_is_written_through_what_stands_in_the_place_of_a_part(
    client, server, tmp_path, kind
):
    (tmp_path / "mine").write_bytes(b"mine")
    part = tmp_path / "file.part"
    if kind == "link":
        part.symlink_to(tmp_path / "mine")
    elif kind == "pipe":
        os.mkfifo(part)
    else:
        part.mkdir()
    with pytest.raises(OSError, match=r"file\.part"):
        fetch_file(client, f"{server.url}/plain/file.bin", tmp_path / "file", check=check)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert not (tmp_path / "file").exists()
