"""One command at a time, run beside the page: what it says, how far it is, how it ends."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from train.studio import Refused

KEPT_LINES = 200
PATIENCE_S = 10.0  # after an interrupt, until a command is killed
BAR = re.compile(r"^(?:(.*): )?\s*(\d+)%\|[^|]*\|\s*(\S+)")  # of tqdm: name, percent, 3/12
COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# As a person would type it, as it is run, and what tells the page of its outcome.
Command = tuple[str, list[str], Callable[[], dict[str, Any]]]


class Job:
    """A command that runs, or has run, in a process of its own."""

    def __init__(
        self, kind: str, shown: str, words: Sequence[str], outcome: Callable[[], dict[str, Any]]
    ) -> None:
        """Starts it.

        Args:
            kind: "blur" or "restore", so that the page knows whose it is.
            shown: the command as a person would type it.
            words: the command.
            outcome: what the page is told once it is done, as it can be written as JSON.
        """
        self.kind, self.shown, self.outcome = kind, shown, outcome
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.percent: int | None = None
        self.at, self.cancelled = "", False
        # A terminal of its own, since bars of progress are shown to terminals alone.
        self.output, end = os.openpty()
        try:
            # And a session of its own: Ctrl-C is the server's, which then ends this.
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=end, stderr=end, start_new_session=True
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(end)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        """Takes in what the command says, until it ends."""
        rest = b""
        with contextlib.suppress(OSError):  # how a terminal without a program ends
            while content := os.read(self.output, 4096):
                *parts, rest = re.split(rb"[\r\n]+", rest + content)
                for part in parts:
                    self._take(part.decode("utf-8", "replace"))
                self._take_bar(rest.decode("utf-8", "replace"))
        self._take(rest.decode("utf-8", "replace"))
        os.close(self.output)
        self.process.wait()

    def _take(self, text: str) -> None:
        line = COLORS.sub("", text).strip()
        if line and not self._take_bar(line):
            self.lines.append(line)

    def _take_bar(self, text: str) -> bool:
        """Whether the text is a bar of progress; notes how far it is."""
        if bar := BAR.match(COLORS.sub("", text)):
            self.percent, self.at = int(bar[2]), " ".join(filter(None, (bar[1], bar[3])))
        return bar is not None

    @property
    def state(self) -> str:
        """running, done, failed or cancelled."""
        if self.reader.is_alive():
            return "running"
        if self.process.returncode == 0:
            return "done"
        return "cancelled" if self.cancelled else "failed"

    @property
    def told(self) -> dict[str, Any]:
        """All that the page shows of it."""
        state, lines = self.state, list(self.lines)
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return {
            "kind": self.kind,
            "command": self.shown,
            "state": state,
            "percent": self.percent,
            "at": self.at,
            "lines": lines,
            "error": (errors or lines or ["it ended without a word"])[-1],
            "result": self.outcome() if state == "done" else None,
        }

    def cancel(self) -> None:
        """Ends it as Ctrl-C would, and waits until it has ended."""
        self.cancelled = True
        for way in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, way)
            self.reader.join(PATIENCE_S)
            if not self.reader.is_alive():
                return


class Jobs:
    """The job that runs, or ran last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.current: Job | None = None

    def start(
        self, kind: str, shown: str, words: Sequence[str], outcome: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Starts a command, see `Job`; tells what the page shows of it.

        Raises:
            Refused: if another still runs.
        """
        with self.lock:
            if self.current and self.current.state == "running":
                raise Refused(
                    HTTPStatus.CONFLICT, f"`{self.current.shown}` still runs; wait, or cancel it"
                )
            self.current = Job(kind, shown, words, outcome)
            return self.current.told

    @property
    def told(self) -> dict[str, Any]:
        """What the page shows of the newest job; its state is "none" where there is none."""
        return self.current.told if self.current else {"state": "none"}

    def cancel(self) -> dict[str, Any]:
        """Ends the job that runs, if any."""
        with self.lock:
            if self.current and self.current.state == "running":
                self.current.cancel()
        return self.told
