"""One command at a time, run beside the page: what it says, how far it is, how it ends."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from prepare.records import PROGRAM
from prepare.records.progress import ProgressRecord
from train.studio import RefusedError

KEPT_LINES = 200
PATIENCE_S = 0.7  # after an interrupt: who cancels has an answer within a second
USUAL = {"DATA": "data", "RUNS": "tf_checkpoints", "OUT": "restored", "STRENGTH": "1"}
FLAGS = {"DATA": "data-dir", "RUNS": "runs-dir"}  # that are not called as their variables

Outcome = Callable[[], dict[str, Any]]  # what the page is told once a command is done


@dataclass(frozen=True)
class Command:
    """A make target and its variables: shown as a person types it, run as its subcommand."""

    target: str
    variables: dict[str, str]  # by name; shown where they have not their usual values
    photograph: Path | None = None  # shown by its name, as its user has it elsewhere

    @property
    def typed(self) -> str:
        """The command as it can be pasted into a shell."""
        photograph = {"IN": self.photograph.name} if self.photograph else {}
        words = [
            f"{name}={shlex.quote(value)}"
            for name, value in (photograph | self.variables).items()
            if value != USUAL.get(name)
        ]
        return " ".join([PROGRAM, self.target, *words])

    def words(self, pipeline: Path) -> list[str]:
        """The words that run it in a process of its own."""
        words = [sys.executable, str(pipeline), self.target]
        for name, value in self.variables.items():
            words.append(f"--{FLAGS.get(name, name.lower().replace('_', '-'))}={value}")
        return [*words, "--", str(self.photograph.absolute())] if self.photograph else words


class Job:
    """A command that runs, or has run, in a process of its own."""

    def __init__(self, command: Command, pipeline: Path, outcome: Outcome) -> None:
        """Starts a command with the file of the command line."""
        self.command, self.outcome = command, outcome
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.progress: ProgressRecord | None = None
        self.is_cancelled = False
        # In a session of its own: Ctrl-C is the server's, which then ends this.
        self.process = subprocess.Popen(
            command.words(pipeline),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PROGRESS": "json", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Takes in what the command says, until it ends."""
        decoder = msgspec.json.Decoder(ProgressRecord)
        with self.process as process:
            for line in process.stdout or ():
                try:
                    self.progress = decoder.decode(line)
                except (ValueError, RecursionError):  # no record, but words
                    if text := line.decode(errors="replace").strip():
                        self.lines.append(text)

    @property
    def state(self) -> str:
        """running, done, failed or cancelled."""
        if self.reader.is_alive():
            return "running"
        if self.process.returncode == 0:
            return "done"
        return "cancelled" if self.is_cancelled else "failed"

    @property
    def as_json(self) -> dict[str, Any]:
        """All that the page shows of it."""
        state, lines, at = self.state, list(self.lines), self.progress
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return {
            "target": self.command.target,
            "command": self.command.typed,
            "state": state,
            "percent": 100 * at.done // at.total if at and at.total else None,
            "at": f"{at.name} {at.done}/{at.total}" if at else "",
            "lines": lines,
            "error": (errors or lines or ["it ended without a word"])[-1],
            "result": self.outcome() if state == "done" else None,
        }

    def cancel(self) -> None:
        """Ends it and its children: as Ctrl-C does, or by a kill, which costs nothing made.

        By SIGTERM, as what is begun in the background has SIGINT ignored. A training saves its
        checkpoint first, which takes longer; a second call ends it at once.
        """
        saves = self.command.target == "train" and not self.is_cancelled
        if sys.platform == "win32":
            self.is_cancelled = True
            self.process.kill()
            return
        for number in (signal.SIGTERM, signal.SIGKILL)[: 1 if saves else 2]:
            if self.reader.is_alive():
                self.is_cancelled = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
                self.reader.join(PATIENCE_S)


class Jobs:
    """The job that runs, or ran last."""

    def __init__(self, pipeline: Path) -> None:
        self.pipeline, self.lock = pipeline, threading.Lock()
        self.current: Job | None = None

    def start(self, command: Command, outcome: Outcome) -> dict[str, Any]:
        """Starts a command; raises RefusedError if another still runs."""
        with self.lock:
            if self.current and self.current.state == "running":
                typed = self.current.command.typed
                raise RefusedError(409, f"`{typed}` still runs; wait, or cancel it")
            self.current = Job(command, self.pipeline, outcome)
        return self.as_json

    def cancel(self) -> dict[str, Any]:
        """Ends the job that runs, if any."""
        with self.lock:
            if self.current:
                self.current.cancel()
        return self.as_json

    @property
    def as_json(self) -> dict[str, Any]:
        """What the page shows of the newest job; its state is "none" where there is none."""
        return self.current.as_json if self.current else {"state": "none"}
