"""How long a download waits: for a server that asks for it, for one that is slow, for no one."""

import threading
import time

import pytest
from helpers.downloads import DATA, fetch, fetched

from prepare.ffhq.download import fetch_blocks
from prepare.ffhq.request import Client, DownloadError
from prepare.ffhq.retry import RetryPolicy


def test_retry_after_in_seconds_is_obeyed(client, server, tmp_path):
    server.misbehave("file.bin", "429 after 1")
    fetch(client, server, tmp_path)
    first, second = server.asked("file.bin")
    assert 1.0 <= second.time_s - first.time_s < 2.0


def test_retry_after_as_a_date_is_obeyed(client, server, tmp_path):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2))
    server.misbehave("file.bin", f"503 after {date}")
    fetch(client, server, tmp_path)
    first, second = server.asked("file.bin")
    assert 0.5 <= second.time_s - first.time_s < 2.5


def test_retry_after_beyond_patience_is_not_waited_for(client, server, tmp_path):
    server.misbehave("file.bin", "429 after 3600")
    before = time.monotonic()
    with pytest.raises(DownloadError, match="Too Many Requests, asks to come back in 3600 s"):
        fetch(client, server, tmp_path)
    assert time.monotonic() - before < 1


def test_slow_body_ends_in_time_and_is_kept(server, tmp_path):
    server.misbehave("file.bin", "slow")
    patience = RetryPolicy(read_timeout_s=1.0, deadline_s=0.3)
    with Client(patience) as client, pytest.raises(DownloadError, match=r"too slow.*0\.3 s"):
        fetch(client, server, tmp_path)
    part = fetched(tmp_path)["file.bin.part"]
    assert 5 < len(part) < 50
    assert part == DATA[: len(part)]


def test_time_of_the_caller_is_not_counted(server):
    with Client(RetryPolicy(deadline_s=0.2)) as client:
        num_bytes = 0
        for block in fetch_blocks(client, f"{server.url}/plain/file.bin"):
            num_bytes += len(block)
            time.sleep(0.3)
    assert num_bytes == len(DATA)


def test_stop_ends_a_wait_at_once(server, tmp_path):
    server.misbehave("file.bin", "503", for_ever=True)
    with Client(RetryPolicy(backoff_s=60.0)) as client:
        threading.Timer(0.1, client.stop.set).start()
        before = time.monotonic()
        with pytest.raises(DownloadError, match="stopped"):
            fetch(client, server, tmp_path)
    assert time.monotonic() - before < 1
