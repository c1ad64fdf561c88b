"""The server behind the page: HTTP on 127.0.0.1, for this machine and this page alone.

Another page in the same browser may send requests here, too. It knows neither the key in the
address nor the token of the page, and its browser tells its origin.
"""

import contextlib
import errno
import secrets
import sys
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from prepare.records.settings import DamagedRecordError
from train import TrainError
from train.run import runs_for_menu
from train.studio import FIRST_PORT, Places, RefusedError
from train.studio.page import PAGE_POLICY, POLICY, Answer, Request, Studio, json_answer

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost", "[::1]")  # any port, as one may be forwarded to here
TOKEN = "X-Studio-Token"
LINK = ("navigate", "document")  # mode and destination of a click on one
SILENCE_S = 60.0  # of a browser in the middle of a request
MOST_DIGITS = 18  # of a length in bytes
HEADERS = {
    POLICY: PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def serve(places: Places, port: int | None, *, dry_run: bool = False) -> None:
    """Answers the page until it is interrupted; prints its address first, and that it ended.

    No port is 8765, or a free one where that is taken. Raises TrainError if the one that was asked
    for is taken.
    """
    runs_for_menu(*places.runs)  # a name that leads out of the runs is refused
    if dry_run:
        data, runs_dir = places.data.path, places.runs[0]
        print(f"http://{ADDRESS}:{port or FIRST_PORT}: data {data}, runs {runs_dir}")
        return
    with (
        contextlib.suppress(KeyboardInterrupt),  # how the studio is ended
        open_server(port) as server,
        tempfile.TemporaryDirectory(prefix="studio-") as uploads_dir,
    ):
        server.studio = Studio(places, Path(uploads_dir))
        print(f"http://{ADDRESS}:{server.server_port}/{server.studio.key}/", flush=True)
        try:
            server.serve_forever()
        finally:
            server.studio.end()
    print("the studio has ended")


def open_server(port: int | None) -> "StudioServer":
    """A server on a port, or on the first that is free; raises TrainError, see `serve`."""
    for wanted in (port,) if port else (FIRST_PORT, 0):
        try:
            return StudioServer((ADDRESS, wanted), Handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise TrainError(
        f"port {port} of {ADDRESS} is taken; name another, or leave PORT= out for a free one"
    )


class StudioServer(ThreadingHTTPServer):
    """A server that holds the studio; its threads end with it."""

    daemon_threads = True
    studio: Studio

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that went away."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request of a browser, on a connection of its own."""

    server: StudioServer
    timeout = SILENCE_S
    server_version, sys_version = "studio", ""
    error_message_format, error_content_type = "%(message)s\n", "text/plain"

    def do_GET(self) -> None:
        """Answers a GET."""
        self.answer(self.server.studio.get)

    def do_POST(self) -> None:
        """Answers a POST."""
        self.answer(lambda request: json_answer(self.server.studio.post(request)))

    def answer(self, step: Callable[[Request], Answer]) -> None:
        """Answers a request if it is the page's own."""
        try:
            self.check_sender()
            answer = step(self.request_behind_key())
        except (DamagedRecordError, TrainError, OSError, MemoryError) as error:
            reason = str(error) or "this takes more memory than there is"
            answer = json_answer({"error": reason}, getattr(error, "status", 409))
        self.send_response(answer.status)
        own = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        for name, value in (HEADERS | own | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def check_sender(self) -> None:
        """Raises RefusedError if another page or another machine's name led a request here.

        Then the host is no name of this machine (one that was bound anew to it, say), the origin is
        another, or a POST comes without the token.
        """
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            raise RefusedError(403, "only http://127.0.0.1 is answered")
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        # A link may lead here from elsewhere, as it knows the key: from a page that is a terminal.
        fetch = self.headers.get("Sec-Fetch-Mode"), self.headers.get("Sec-Fetch-Dest")
        is_link, is_post = fetch == LINK, self.command == "POST"
        is_own = origin in (None, f"http://{host}") and (is_link or site in ("same-origin", "none"))
        if not is_own or (is_post and (origin is None or is_link)):
            raise RefusedError(403, "another page's request is not answered")
        if is_post and not is_secret(self.headers.get(TOKEN, ""), self.server.studio.token):
            raise RefusedError(403, "the page is of an earlier start; open it again")

    def request_behind_key(self) -> Request:
        """What is asked for; raises RefusedError without the key, or the length of a body."""
        address, _, query = self.path.partition("?")
        first, *parts = [unquote(part) for part in address.lstrip("/").split("/")]
        if not is_secret(first, self.server.studio.key) or not parts:
            reason = "open the address that `make studio` printed, with all its letters"
            raise RefusedError(403, reason)
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "a request has to tell its length")
        return Request(parts, query, int(length[:MOST_DIGITS]), self.rfile)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the address is the only line."""


def is_secret(got: str, expected: str) -> bool:
    """Whether a secret is right, in a time that tells nothing of it."""
    return secrets.compare_digest(got.encode(errors="replace"), expected.encode())
