"""The server behind the page: HTTP on 127.0.0.1, for this machine alone."""

import contextlib
import errno
import sys
import tempfile
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prepare.records.settings import DamagedRecordError
from train import TrainError
from train.studio import FIRST_PORT, Refused
from train.studio.answers import Answer, Request, Studio, as_json
from train.studio.checks import HEADERS, check_sender, parts_of
from train.studio.places import Places

ADDRESS = "127.0.0.1"
SILENCE_S = 60.0  # of a browser in the middle of a request


class PortTakenError(TrainError):
    """Another program listens on the port that was asked for."""


def serve(places: Places, port: int | None, *, dry_run: bool = False) -> None:
    """Answers the page until it is interrupted; prints its address as the only line.

    Args:
        places: where everything lies.
        port: of 127.0.0.1; None is 8765, or a free one where that is taken.
        dry_run: only says what would be done.

    Raises:
        PortTakenError: if the port that was asked for is taken.
        KeyboardInterrupt: when it is interrupted; a command that runs is then ended, too.
    """
    if dry_run:
        data, runs_dir = places.data.path, places.runs[0]
        print(f"http://{ADDRESS}:{port or FIRST_PORT}: data {data}, runs {runs_dir}")
        return
    with _listening(port) as server, tempfile.TemporaryDirectory(prefix="studio-") as uploads:
        server.studio = Studio(places, Path(uploads))
        address = f"http://{ADDRESS}:{server.server_port}/{server.studio.key}/"
        print(address, flush=True)
        try:
            server.serve_forever()
        finally:
            server.studio.jobs.cancel()


def _listening(port: int | None) -> "StudioServer":
    for wanted in (port,) if port else (FIRST_PORT, 0):
        try:
            return StudioServer((ADDRESS, wanted), Handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise PortTakenError(
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
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"
    server: StudioServer
    timeout = SILENCE_S

    def do_GET(self) -> None:
        """Answers a GET."""
        self._answer(self.server.studio.get)

    def do_POST(self) -> None:
        """Answers a POST."""
        self._answer(self.server.studio.post)

    def _answer(self, step: Callable[[Request], Answer]) -> None:
        studio = self.server.studio
        try:
            check_sender(self.command, self.headers, studio.token)
            parts, query = parts_of(self.path, studio.key)
            answer = step(Request(parts, query, self.headers, self.rfile))
        except Refused as error:
            # What is left of the request is not read, so the connection ends with it.
            self.close_connection = self.command == "POST"
            answer = as_json({"error": str(error)}, error.status)
        except (DamagedRecordError, TrainError, OSError) as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            self.close_connection = self.command == "POST"
            answer = as_json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = HEADERS | {"Content-Security-Policy": answer.policy} | answer.headers
        headers |= {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer.content)

    def version_string(self) -> str:
        """Names no versions."""
        return "studio"

    def log_message(self, *_: Any) -> None:
        """Says nothing: the address is the only line."""
