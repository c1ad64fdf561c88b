"""Fetches files over HTTP: retries with patience, resumes, checks, then puts in place atomically.

Nothing here knows what is being fetched. `fetch_blocks` reads a URL as a stream that survives
broken connections; `fetch_file` turns such a stream into a checked file.
"""

import errno
import os
import random
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import requests
import urllib3

from prepare.ffhq.request import (
    Client,
    DownloadError,
    IntegrityError,
    RefusedError,
    TransientError,
    open_file,
)
from prepare.records.files import named_errors

Checked = TypeVar("Checked")

_BLOCK_BYTES = 1 << 19
_PROGRESS_BYTES = 1 << 20  # this much new data resets the count of failures and the clock


def fetch_blocks(
    client: Client,
    url: str,
    *,
    start: int = 0,
    end: int | None = None,
    num_bytes: int | None = None,
    open_body: Callable[..., requests.Response] = open_file,
) -> Iterator[bytes]:
    """Bytes of a file from `start` to before `end` (or to its own end), block by block.

    A connection that breaks is opened again where it broke. The time the caller takes over a block
    is not counted.

    Args:
        num_bytes: length of the whole file, where it is known.
        open_body: opens one response, called as `open_url` is.

    Raises:
        RefusedError: if the server will not give the file.
        IntegrityError: if the file's length is not `num_bytes`.
        DownloadError: if patience is at an end, or the client was stopped.
    """
    patience, position, mark, failures = client.patience, start, start, 0
    deadline = time.monotonic() + patience.deadline_s
    while True:
        try:
            with open_body(client, url, position, end) as response:
                _check_length(url, response, num_bytes)
                for block in _body_blocks(client, url, response, position, end):
                    position += len(block)
                    client.on_bytes(len(block))
                    if position - mark >= _PROGRESS_BYTES:
                        mark, failures = position, 0
                        deadline = time.monotonic() + patience.deadline_s
                    if time.monotonic() > deadline:
                        raise DownloadError(
                            url, f"too slow, gave up after {patience.deadline_s:g} s"
                        )
                    paused = time.monotonic()
                    yield block
                    deadline += time.monotonic() - paused
            return
        except TransientError as error:
            trouble = error
        except RefusedError as error:
            if error.status == 416 and position:  # there is nothing behind what we have
                return
            raise
        failures += 1
        _wait_or_give_up(client, trouble, failures, deadline)


def _body_blocks(
    client: Client, url: str, response: requests.Response, position: int, end: int | None
) -> Iterator[bytes]:
    """Blocks of one response's body, from `position` of the file on, wherever the server begins."""
    offset = 0
    if response.status_code == 206:
        match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        offset = int(match[1]) if match else position
    if offset > position:
        raise TransientError(url, f"the server sent bytes from {offset} on, not from {position}")
    while end is None or offset < end:
        if client.stop.is_set():
            raise DownloadError(url, "stopped")
        try:
            # read1 returns what has come; read waits for a full block, however slowly it fills.
            block = response.raw.read1(_BLOCK_BYTES, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            silence = f"silence for {client.patience.read_timeout_s:g} s"
            raise TransientError(url, silence) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(url, "the connection broke") from error
        if not block:
            return
        wanted = block[max(0, position - offset) : None if end is None else end - offset]
        offset += len(block)
        if wanted:
            position += len(wanted)
            yield wanted


def _check_length(url: str, response: requests.Response, num_bytes: int | None) -> None:
    total = response.headers.get("Content-Length") or ""
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if num_bytes is not None and total.isdigit() and int(total) != num_bytes:
        raise IntegrityError(url, f"the server offers {total} bytes, expected {num_bytes}")


def _wait_or_give_up(
    client: Client, trouble: TransientError, failures: int, deadline: float
) -> None:
    """Waits before the next attempt, if there is to be one: exponential back-off with jitter."""
    patience, url, reason = client.patience, trouble.url, trouble.reason
    if failures >= patience.num_attempts:
        raise DownloadError(url, f"{reason}, {failures} times") from trouble
    longest_s = min(patience.max_backoff_s, patience.backoff_s * 2 ** (failures - 1))
    wait_s = max(trouble.wait_s, longest_s * random.uniform(0.5, 1.0))
    if time.monotonic() + wait_s > deadline:
        more = f"asks to come back in {wait_s:.0f} s" if trouble.wait_s else "no time is left"
        raise DownloadError(url, f"{reason}, {more}") from trouble
    client.wait(url, wait_s)


def fetch_file(
    client: Client,
    url: str,
    path: Path,
    *,
    check: Callable[[Path], Checked],
    num_bytes: int | None = None,
    max_bytes: int = 1 << 30,
    open_body: Callable[..., requests.Response] = open_file,
) -> Checked:
    """Fetches a file to `path`, where it appears only whole and right.

    Until then it is `<path>.part`, which stays when the download fails, and with which the next
    call goes on. Wrong bytes are removed and fetched once more from the start, since the fault may
    lie in an old part.

    Args:
        check: called with the finished part; raises IntegrityError if it is not right.
        max_bytes: where the length is not known, more than this is wrong.
        num_bytes, open_body: see `fetch_blocks`.

    Returns:
        What `check` returned.

    Raises:
        DownloadError: as `fetch_blocks`, and if the bytes are wrong twice.
        OSError: if the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    most = max_bytes if num_bytes is None else num_bytes
    for is_last in (False, True):
        try:
            with named_errors(part), open_part(part) as file:
                size = file.tell()
                blocks = fetch_blocks(
                    client, url, start=size, num_bytes=num_bytes, open_body=open_body
                )
                for block in blocks if size != num_bytes else ():
                    size += len(block)
                    if size > most:
                        raise IntegrityError(url, f"more than {most} bytes")
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            checked = check(part)
        except IntegrityError:
            part.unlink(missing_ok=True)
            if is_last:
                raise
        else:
            os.replace(part, path)
            return checked
    raise AssertionError("the second attempt returns or raises")


def open_part(path: Path) -> BinaryIO:
    """A file to go on with: opened for reading and appending, never through a link.

    Raises:
        OSError: if a link, folder, pipe or device stands in its place.
    """
    return open(path, "a+b", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EEXIST, "No regular file, remove it", path)
    return descriptor
