"""One file on a test server, and how the tests fetch it."""

import hashlib
import os

from prepare.ffhq.download import fetch_file
from prepare.ffhq.request import IntegrityError
from prepare.ffhq.retry import RetryPolicy

NUM_BYTES = 200_000
DATA = os.urandom(NUM_BYTES)
QUICK = RetryPolicy(num_attempts=3, backoff_s=0.005, read_timeout_s=0.15, deadline_s=3.0)


def check(path):
    if path.read_bytes() != DATA:
        raise IntegrityError(path.name, "is not the file")
    return hashlib.md5(path.read_bytes()).hexdigest()


def fetch(client, server, tmp_path, num_bytes: int | None = NUM_BYTES):
    path = tmp_path / "folder" / "file.bin"
    url = f"{server.url}/plain/file.bin"
    return fetch_file(client, url, path, check=check, num_bytes=num_bytes)


def fetched(tmp_path):
    """Names and contents of what lies in the folder."""
    return {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()}
