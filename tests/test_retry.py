"""How long a download keeps trying: waits that double, and failures that progress forgives."""

import os
from dataclasses import replace

import pytest
from helpers.ffhq_server import FfhqServer

from prepare.ffhq.download import fetch_blocks
from prepare.ffhq.request import Client, DownloadError
from prepare.ffhq.retry import RetryPolicy

PATIENCE = RetryPolicy(num_attempts=6, backoff_s=1.0, max_backoff_s=5.0, deadline_s=60.0)


def fetch(server, patience, waits):
    """The file's bytes; the waits are noted, and not waited."""
    with Client(patience) as client:
        client.wait = lambda _, seconds: waits.append(seconds)
        return b"".join(fetch_blocks(client, f"{server.url}/plain/file"))


def test_waits_double_up_to_the_longest():
    waits = []
    with FfhqServer({"file": b"bytes"}) as server:
        server.misbehave("file", "503", for_ever=True)
        with pytest.raises(DownloadError, match="6 times"):
            fetch(server, PATIENCE, waits)
    assert len(waits) == 5
    for wait_s, longest_s in zip(waits, (1, 2, 4, 5, 5), strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_waits_that_would_end_after_the_deadline_are_not_begun():
    with FfhqServer({"file": b"bytes"}) as server:
        server.misbehave("file", "503", for_ever=True)
        with pytest.raises(DownloadError, match="no time is left"):
            fetch(server, replace(PATIENCE, deadline_s=0.4), [])
        assert len(server.asked("file")) == 1


def test_failures_with_a_mebibyte_between_them_are_not_in_a_row():
    content, waits = os.urandom(8 << 20), []
    with FfhqServer({"file": content}) as server:
        server.misbehave("file", "cut", "cut", "cut")  # after 4, 2 and 1 MiB
        assert fetch(server, replace(PATIENCE, num_attempts=2), waits) == content
    assert len(waits) == 3
    assert max(waits) <= 1  # each is the first of its row


def test_bytes_from_farther_on_than_asked_are_asked_for_again():
    content, waits = os.urandom(100_000), []
    with FfhqServer({"file": content}) as server:
        server.misbehave("file", "cut", "ahead")
        assert fetch(server, PATIENCE, waits) == content
        assert [each.start for each in server.asked("file")] == [0, 51_000, 50_000]
