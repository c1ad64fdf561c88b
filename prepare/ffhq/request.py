"""One HTTP request: how it is made, and whether its answer is good, a passing trouble or final."""

import email.utils
import functools
import os
import threading
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from prepare.ffhq.retry import RetryPolicy

_PAGE_BYTES = 1 << 18  # no refusal or confirmation page is longer
_TRY_AGAIN_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(RuntimeError):
    """A download failed; `reason` says why, without the URL."""

    def __init__(self, url: str, reason: str):
        super().__init__(f"{url}: {reason}")
        self.url, self.reason = url, reason


class RefusedError(DownloadError):
    """The server's answer is final: asking again soon would bring the same one."""

    def __init__(self, url: str, reason: str, status: int | None = None, page: str = ""):
        super().__init__(url, reason)
        self.status, self.page = status, page


class IntegrityError(DownloadError):
    """What came is not what was expected: length, hash or content."""


class TransientError(DownloadError):
    """A passing trouble; `wait_s` is how long the server asks us to stay away."""

    def __init__(self, url: str, reason: str, wait_s: float = 0.0):
        super().__init__(url, reason)
        self.wait_s = wait_s


class _Session(requests.Session):
    """A session that stays on HTTPS once it is there."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Where an answer leads on to; RefusedError if that is less safe."""
        target = super().get_redirect_target(response)
        if target is not None:
            check_no_downgrade(response.url, urljoin(response.url, target))
        return target


def check_no_downgrade(url: str, next_url: str) -> None:
    """Raises RefusedError if an address leads from HTTPS to anything else."""
    if urlsplit(url).scheme == "https" and urlsplit(next_url).scheme != "https":
        host = urlsplit(next_url).netloc
        raise RefusedError(url, f"the server leads away from HTTPS, to {host or next_url[:80]}")


class Client:
    """What all requests of one run share: patience, a count of bytes, a way to stop them."""

    def __init__(
        self, patience: RetryPolicy, on_bytes: Callable[[int], None] = lambda num_bytes: None
    ):
        self.patience, self.on_bytes = patience, on_bytes
        self.stop = threading.Event()
        self._of_thread = threading.local()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()

    @property
    def session(self) -> requests.Session:
        """Connections and cookies of this thread: a session's cookies are not safe to share."""
        if not hasattr(self._of_thread, "session"):
            session = self._of_thread.session = _Session()
            session.headers["Accept-Encoding"] = "identity"  # lengths and ranges count file bytes
            # Else it sends what it finds in ~/.netrc, and reads the environment at every request.
            session.trust_env = False
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        return self._of_thread.session

    def wait(self, url: str, seconds: float) -> None:
        """Sleeps, unless the run is being stopped.

        Raises:
            DownloadError: if it is.
        """
        if self.stop.wait(seconds):
            raise DownloadError(url, "stopped")


@functools.cache
def _environ_proxies(scheme: str, host: str) -> dict[str, str]:
    return requests.utils.get_environ_proxies(f"{scheme}://{host}")


def open_url(client: Client, url: str, start: int = 0, end: int | None = None) -> requests.Response:
    """Response to one GET for the bytes from `start` to before `end`; it may be a web page.

    Raises:
        TransientError: on a broken connection, silence, 408, 425, 429 or 5xx.
        RefusedError: on any other answer that carries no file.
    """
    headers = {}
    if start or end is not None:
        headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    read_timeout_s = client.patience.read_timeout_s
    try:
        proxies = _environ_proxies(*urlsplit(url)[:2])
        response = client.session.get(
            url, headers=headers, stream=True, timeout=read_timeout_s, proxies=proxies
        )
    except requests.TooManyRedirects as error:
        raise RefusedError(url, "the server redirects in a circle") from error
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise TransientError(url, _no_answer(error, url, read_timeout_s)) from error
    except (requests.RequestException, ValueError) as error:
        raise RefusedError(url, f"cannot be asked for ({error})") from error
    if response.status_code in (200, 206):
        return response
    with response:
        reason = f"HTTP {response.status_code} {response.reason or ''}".strip()
        if response.status_code in _TRY_AGAIN_STATUSES or response.status_code >= 500:
            raise TransientError(url, reason, _retry_after_s(response))
        raise RefusedError(url, reason, response.status_code, read_page(client, response))


def open_file(
    client: Client, url: str, start: int = 0, end: int | None = None
) -> requests.Response:
    """As `open_url`, but a web page counts as a refusal."""
    response = open_url(client, url, start, end)
    if not is_web_page(response):
        return response
    with response:
        reason = "the server sent a web page, not a file"
        raise RefusedError(url, reason, response.status_code, read_page(client, response))


def is_web_page(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def read_page(client: Client, response: requests.Response) -> str:
    """Text of a web page, or as much of it as comes in reasonable time; empty if it is none."""
    page, deadline = bytearray(), time.monotonic() + client.patience.read_timeout_s
    try:
        while is_web_page(response) and len(page) < _PAGE_BYTES and time.monotonic() < deadline:
            block = response.raw.read1(_PAGE_BYTES, decode_content=False)
            if not block:
                break
            page += block
    except (urllib3.exceptions.HTTPError, OSError):
        pass  # the page only explains a refusal: half of it is better than none
    return page.decode("utf-8", "replace")


def _no_answer(error: requests.RequestException, url: str, read_timeout_s: float) -> str:
    host = urlsplit(url).netloc
    if isinstance(error, requests.Timeout):
        return f"no answer from {host} in {read_timeout_s:g} s"
    trusted = "trusted " if isinstance(error, requests.exceptions.SSLError) else ""
    return f"no {trusted}connection to {host}"


def _retry_after_s(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:  # absent or unreadable
        return 0.0
