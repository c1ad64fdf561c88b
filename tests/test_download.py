"""Files over HTTP and past Google Drive's pages, against a server that breaks every promise."""

import os
import resource
import shutil
import ssl
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from helpers.ffhq_server import FfhqServer

from prepare.ffhq.download import (
    Client,
    DownloadError,
    IntegrityError,
    fetch_blocks,
    fetch_file,
    open_file,
)
from prepare.ffhq.metadata import FfhqSettings

DATA = os.urandom(200_000)
QUICK = FfhqSettings(num_attempts=3, backoff_s=0.005, read_timeout_s=0.15, deadline_s=3.0)


@pytest.fixture
def server():
    with FfhqServer({"file.bin": DATA}) as server:
        yield server


@pytest.fixture
def client():
    return Client(QUICK)


def fetch(client, server, tmp_path, url=None):
    def check(data):
        if data != DATA:
            raise IntegrityError("file.bin", "is not the file")
        return "checked"

    url, path = url or f"{server.url}/plain/file.bin", tmp_path / "folder" / "file.bin"
    return fetch_file(client, url, path, check=check, max_bytes=len(DATA))


def blocks_of(client, server, **span):
    return b"".join(fetch_blocks(client, f"{server.url}/plain/file.bin", **span))


def fetched(tmp_path):
    """Names and contents of what lies in the folder."""
    return {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()}


@pytest.mark.parametrize("fault", ["500", "gone", "stall", "chunked", "chunked-cut"])
def test_passing_trouble_is_waited_out(client, server, tmp_path, fault):
    server.misbehave("file.bin", fault)
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", "HTTP 429 Too Many Requests, 3 times"),
        ("gone", "no connection to 127"),
        ("silent", r"no answer from 127.* in 0\.15 s"),
    ],
)
def test_lasting_trouble_ends_after_a_few_attempts(client, server, tmp_path, fault, reason):
    server.misbehave("file.bin", fault, for_ever=True)
    with pytest.raises(DownloadError, match=reason):
        fetch(client, server, tmp_path)
    assert "file.bin" not in fetched(tmp_path)
    assert len(server.asked("file.bin")) >= 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "HTTP 404 Not Found"),
        ("sorry", "the download quota is used up"),
        ("page", 'sent a web page, not a file ("Sign in - Google Accounts")'),
        ("form to http://[", 'sent a web page, not a file ("")'),
        ("loop", "the server redirects in a circle"),
    ],
)
def test_final_answer_is_not_asked_for_again(client, server, tmp_path, fault, reason):
    server.misbehave("file.bin", fault, for_ever=True)
    with pytest.raises(DownloadError) as refusal:
        fetch(client, server, tmp_path)
    assert refusal.value.reason == reason
    assert set(fetched(tmp_path)) <= {"file.bin.part"}
    assert fault == "loop" or len(server.asked("file.bin")) == 1


@pytest.mark.parametrize("page", ["<form" * 10_000, "<form id='download-form'" + "<input " * 9000])
def test_no_page_takes_long_and_none_leads_in_a_circle(client, server, tmp_path, page):
    server.files["file.bin"] = page.encode()
    server.misbehave("file.bin", "as-page", for_ever=True)
    with pytest.raises(DownloadError, match=r"sent a web page|sent 3 web pages and no file"):
        fetch(client, server, tmp_path)


def test_cut_body_goes_on_where_it_broke_in_this_run_and_the_next(client, server, tmp_path):
    server.misbehave("file.bin", "cut", "cut", "404")
    server.files["file.bin"] = DATA
    with pytest.raises(DownloadError):
        fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin.part": DATA[:150_000]}
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}
    came = [request for request in server.asked("file.bin") if request.fault != "404"]
    assert [request.start for request in came] == [0, 100_000, 150_000]
    assert sum(request.num_bytes for request in came) == len(DATA)


@pytest.mark.parametrize("part", [DATA, DATA[:1000][::-1], DATA + b"more", b""])
def test_whole_part_needs_no_bytes_and_a_wrong_one_is_replaced(client, server, tmp_path, part):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.bin.part").write_bytes(part)
    fetch(client, server, tmp_path)
    assert fetched(tmp_path) == {"file.bin": DATA}
    assert part != DATA or server.asked("file.bin") == []


@pytest.mark.parametrize("fault", ["wrong", "endless"])
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


def test_range_ends_where_asked_though_the_server_sends_all(client, server):
    server.misbehave("file.bin", "no-range")
    assert blocks_of(client, server, start=10, end=1010) == DATA[10:1010]


def test_full_disk_is_named_and_not_retried(client, server, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a disk with 1000 bytes left
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/file\.bin\.part'"):
            fetch(client, server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(server.asked("file.bin")) == 1


def test_nothing_is_written_through_a_link_in_the_place_of_a_part(client, server, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.bin.part").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=r"file\.bin\.part"):
        fetch(client, server, tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine"


class NotedWaits(threading.Event):
    """Notes how long it should wait, and does not wait."""

    def __init__(self):
        super().__init__()
        self.waits_s = []

    def wait(self, timeout=None):
        self.waits_s.append(timeout)
        return False


def patient(**changes):
    """A client whose waits are noted."""
    settings = replace(FfhqSettings(max_backoff_s=5.0, deadline_s=60.0), **changes)
    return Client(settings, stop=NotedWaits())


def test_waits_double_up_to_the_longest_or_what_the_server_asks(server):
    server.misbehave("file.bin", "429 after 17", "503", for_ever=True)
    client = patient(num_attempts=6)
    with pytest.raises(DownloadError, match="6 times"):
        blocks_of(client, server)
    first_s, *waits_s = client.stop.waits_s
    assert first_s == 17
    for wait_s, longest_s in zip(waits_s, (2, 4, 5, 5), strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_wait_that_would_end_after_the_deadline_is_not_begun(server):
    server.misbehave("file.bin", "429 after 3600", for_ever=True)
    with pytest.raises(DownloadError, match="Too Many Requests, asks to come back in 3600 s"):
        blocks_of(patient(), server)
    assert len(server.asked("file.bin")) == 1


def test_failures_with_a_mebibyte_between_them_are_not_in_a_row(server):
    server.files["file.bin"] = DATA * 42  # 8 MiB
    server.misbehave("file.bin", "cut", "cut", "cut")  # after 4, 2 and 1 MiB
    client = patient(num_attempts=2)
    assert blocks_of(client, server) == DATA * 42
    assert len(client.stop.waits_s) == 3
    assert max(client.stop.waits_s) <= 1  # each is the first of its row


def test_slow_body_ends_in_time_and_is_kept(server, tmp_path):
    server.misbehave("file.bin", "slow")
    client = Client(FfhqSettings(read_timeout_s=1.0, deadline_s=0.3))
    with pytest.raises(DownloadError, match=r"too slow.*0\.3 s"):
        fetch(client, server, tmp_path)
    part = fetched(tmp_path)["file.bin.part"]
    assert 0 < len(part) < 50
    assert part == DATA[: len(part)]


def test_time_of_the_caller_is_not_counted(server):
    server.files["file.bin"] = DATA * 5  # more than one block
    num_bytes, client = 0, Client(FfhqSettings(deadline_s=0.15))
    for block in fetch_blocks(client, f"{server.url}/plain/file.bin"):
        num_bytes += len(block)
        time.sleep(0.1 if num_bytes <= 400_000 else 0)
    assert num_bytes == 5 * len(DATA)


def test_no_credentials_are_sent(client, server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    open_file(client, f"{server.url}/mirror/file.bin").close()
    assert len(server.headers) == 2
    assert not any("Authorization" in headers for headers in server.headers)


def test_proxy_of_the_environment_is_used(client, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    open_file(client, "http://behind-the-proxy.invalid/plain/file.bin").close()
    assert server.headers[0]["Host"] == "behind-the-proxy.invalid"


@pytest.fixture
def https_server(tmp_path, monkeypatch):
    """A server whose certificate is trusted here."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *words, "-out", certificate], check=True, capture_output=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = FfhqServer({"file.bin": DATA})
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = server.other_url.replace("http:", "https:")
    with server:
        yield server


def test_https_is_never_left(https_server, server, client, monkeypatch):
    plain = f"{server.url}/plain/file.bin"
    https_server.misbehave("file.bin", f"to {plain}", f"form to {plain}")
    for _ in range(2):
        with pytest.raises(DownloadError, match=r"redirects from HTTPS to HTTP, on 127\.0\.0\.1"):
            open_file(client, f"{https_server.url}/plain/file.bin")
    assert server.requests == []
    https_server.misbehave("file.bin", f"to {https_server.url}/cdn/file.bin")
    assert blocks_of(client, https_server) == DATA
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DownloadError, match="no trusted connection to localhost"):
        blocks_of(Client(replace(QUICK, num_attempts=1)), https_server)
