"""Fetches files over HTTP: with patience, in ranges, checked before they get their name.

`open_file` makes one request. `fetch_blocks` reads an address as a stream that survives broken
connections. `fetch_file` writes it to a checked file, `read_growing` to a file that grows.
"""

import itertools
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from prepare.ffhq.google_drive import form_address, page_reason
from prepare.ffhq.metadata import FfhqSettings, without_login
from prepare.records.files import NO_FOLLOW, named_errors, to_disk

BLOCK_BYTES = 1 << 19
PROGRESS_BYTES = 1 << 20  # this much new data resets the count of failures and the clock
PAGE_BYTES, MAX_PAGE_BLOCKS = 1 << 16, 64  # Drive's pages have a few KB, and come at once
MAX_PAGES = 3  # Drive shows one in front of a file
TRY_AGAIN_STATUSES = {408, 425, 429}  # and all from 500 on


class DownloadError(RuntimeError):
    """A download failed; `reason` says why, without the address.

    `wait_s` is how long the server asks us to stay away.
    """

    def __init__(self, url: str, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(f"{without_login(url)}: {reason}")
        self.url, self.reason, self.wait_s = url, reason, wait_s


class IntegrityError(DownloadError):
    """A download has another length, hash or content than expected."""


class TransientError(DownloadError):
    """A passing trouble; any other answer is final, and not asked for again."""


class SafeSession(requests.Session):
    """A session that stays on HTTPS once it is there."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Where an answer leads on to; DownloadError if that is less safe."""
        target = super().get_redirect_target(response)
        if target is not None:
            check_no_downgrade(response.url, urljoin(response.url, target))
        return target


def check_no_downgrade(url: str, next_url: str) -> None:
    """Raises DownloadError if an address leads from HTTPS to anything else."""
    if urlsplit(url).scheme == "https" and urlsplit(next_url).scheme != "https":
        raise DownloadError(url, f"the server redirects from HTTPS to HTTP, on {host_of(next_url)}")


def host_of(url: str) -> str:
    """Host and port of an address, without its login."""
    return without_login(url).partition("//")[2].partition("/")[0]


@dataclass
class Client:
    """The state shared by all requests of one run: limits, a count of bytes, a way to stop."""

    settings: FfhqSettings
    on_bytes: Callable[[int], object] = lambda num_bytes: None
    stop: threading.Event = field(default_factory=threading.Event)
    of_thread: threading.local = field(default_factory=threading.local)

    @property
    def session(self) -> requests.Session:
        """Connections and cookies of this thread: a session's cookies are not safe to share."""
        if not hasattr(self.of_thread, "session"):
            session = self.of_thread.session = SafeSession()
            session.headers["Accept-Encoding"] = "identity"  # lengths and ranges count file bytes
            # Else it sends what it finds in ~/.netrc.
            session.trust_env = False
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        return self.of_thread.session

    def back_off(self, trouble: TransientError, num_failures: int, deadline: float) -> None:
        """Waits before the next attempt: twice as long after each failure, with jitter.

        DownloadError if there is to be none, or the run is being stopped.
        """
        settings, url, reason = self.settings, trouble.url, trouble.reason
        if num_failures >= settings.num_attempts:
            raise DownloadError(url, f"{reason}, {num_failures} times") from trouble
        doubled_s = settings.backoff_s * 2 ** min(num_failures - 1, 60)
        longest_s = min(settings.max_backoff_s, doubled_s)
        wait_s = max(trouble.wait_s, longest_s * random.uniform(0.5, 1.0))
        if time.monotonic() + wait_s > deadline:
            more = f"asks to come back in {wait_s:.0f} s" if trouble.wait_s else "the time is over"
            raise DownloadError(url, f"{reason}, {more}") from trouble
        if self.stop.wait(wait_s):
            raise DownloadError(url, "stopped")


def open_file(
    client: Client, url: str, start: int = 0, end: int | None = None
) -> requests.Response:
    """Response whose body is a file from `start` to before `end`, past Google Drive's pages.

    Raises:
        TransientError: on a broken connection, silence, 408, 425, 429 or 5xx.
        DownloadError: on any other answer that carries no file.
    """
    address = url
    for _ in range(MAX_PAGES):
        response = open_url(client, address, start, end)
        is_page = response.headers.get("Content-Type", "").lower().startswith("text/html")
        is_refused = response.status_code not in (200, 206)
        if response.status_code == 416 or not (is_page or is_refused):
            return response
        with response:
            blocks = body_blocks(client, address, response, 0, PAGE_BYTES) if is_page else ()
            page = b"".join(itertools.islice(blocks, MAX_PAGE_BLOCKS)).decode("utf-8", "replace")
        reason = page_reason(page)
        if is_refused and "quota" not in reason:
            reason = f"HTTP {response.status_code} {response.reason or ''}".strip()
        next_address = None if is_refused else form_address(page, response.url)
        if next_address is None:
            raise DownloadError(url, reason)
        check_no_downgrade(response.url, next_address)
        address = next_address
    raise DownloadError(url, f"sent {MAX_PAGES} web pages and no file")


def open_url(client: Client, url: str, start: int, end: int | None) -> requests.Response:
    """The answer to one GET, which may be a page or a refusal; raises as `open_file`."""
    headers = {}
    if start or end is not None:
        headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    timeout_s, host = client.settings.read_timeout_s, host_of(url)
    try:
        proxies = requests.utils.get_environ_proxies(url)
        response = client.session.get(
            url, headers=headers, stream=True, timeout=timeout_s, proxies=proxies
        )
    except requests.TooManyRedirects as error:
        raise DownloadError(url, "the server redirects in a circle") from error
    except requests.Timeout as error:
        raise TransientError(url, f"no answer from {host} in {timeout_s:g} s") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        kind = "trusted " if isinstance(error, requests.exceptions.SSLError) else ""
        raise TransientError(url, f"no {kind}connection to {host}") from error
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(url, "the address is not valid") from error
    if response.status_code in TRY_AGAIN_STATUSES or response.status_code >= 500:
        response.close()
        reason = f"HTTP {response.status_code} {response.reason or ''}".strip()
        after = response.headers.get("Retry-After", "")
        wait_s = float(after) if after.isdecimal() else 0.0
        raise TransientError(url, reason, wait_s)
    return response


def fetch_blocks(
    client: Client, url: str, *, start: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """Bytes of a file from `start` to before `end` (or to its own end), block by block.

    A connection that breaks is opened again where it broke. The time the caller takes over a block
    is not counted.

    Raises:
        DownloadError: if the server will not give the file, patience is at an end, or the client
            was stopped.
    """
    deadline_s, position, mark, num_failures = client.settings.deadline_s, start, start, 0
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            with open_file(client, url, position, end) as response:
                for block in body_blocks(client, url, response, position, end):
                    position += len(block)
                    client.on_bytes(len(block))
                    if position - mark >= PROGRESS_BYTES:
                        mark, num_failures = position, 0
                        deadline = time.monotonic() + deadline_s
                    if time.monotonic() > deadline:
                        raise DownloadError(url, f"too slow, gave up after {deadline_s:g} s")
                    paused = time.monotonic()
                    yield block
                    deadline += time.monotonic() - paused
            return
        except TransientError as error:
            num_failures += 1
            client.back_off(error, num_failures, deadline)


def body_blocks(
    client: Client, url: str, response: requests.Response, position: int, end: int | None
) -> Iterator[bytes]:
    """Blocks of one response's body, from `position` of the file on, wherever the server begins."""
    if response.status_code == 416:  # there is nothing behind what we have
        return
    offset = 0  # a server without ranges sends all of the file
    if response.status_code == 206:
        match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        offset = int(match[1]) if match else position
    while end is None or offset < end:
        if client.stop.is_set():
            raise DownloadError(url, "stopped")
        try:
            # read1 returns what has come; read waits for a full block, however slowly it fills.
            block = response.raw.read1(BLOCK_BYTES, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            silence = f"no data for {client.settings.read_timeout_s:g} s"
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


def fetch_file(
    client: Client, url: str, path: Path, *, check: Callable[[bytes], str], max_bytes: int
) -> str:
    """Downloads a file to `path`, where it appears only when it is complete and correct.

    Until then it is `<path>.part`. If the download fails, this part stays, and the next call
    continues it. Wrong bytes are removed and downloaded once more from the start, since an old part
    may be the cause.

    Args:
        check: called with the content, and its result returned; raises IntegrityError if that is
            not right.
        max_bytes: more than this is wrong.

    Raises:
        DownloadError: as `fetch_blocks`, and if the bytes are wrong twice.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    is_last = False
    while True:
        try:
            with named_errors(part), open_part(part) as file:
                for block in fetch_blocks(client, url, start=file.tell()):
                    if file.tell() + len(block) > max_bytes:
                        raise IntegrityError(url, f"more than {max_bytes} bytes")
                    file.write(block)
                file.flush()
                to_disk(file.fileno())
            checked = check(part.read_bytes())
            os.replace(part, path)
            return checked
        except IntegrityError:
            part.unlink(missing_ok=True)
            if is_last:
                raise
            is_last = True


def read_growing(client: Client, url: str, path: Path) -> Iterator[bytes]:
    """Blocks of a file whose beginning is on disk: first those, then downloaded ones, also kept.

    Raises DownloadError as `fetch_blocks`, and OSError if the file cannot be written.
    """
    with named_errors(path), open_part(path) as file:
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            yield block
        for block in fetch_blocks(client, url, start=file.tell()):
            file.write(block)
            yield block


def open_part(path: Path) -> BinaryIO:
    """A file to continue: opened for reading and appending, never through a link."""
    return open(path, "a+b", opener=lambda name, flags: os.open(name, flags | NO_FOLLOW, 0o666))
