"""Changes to a record, in a file beside it until the record is written anew.

A long command that wrote its whole record now and then would spend time in proportion to the square
of its length. So it adds the changes, line by line, to a journal, and writes the record when it
ends; who reads the record reads the journal with it. A journal begins with the hash of the record
that it goes on from. Beside another one, which took it in, it means nothing: so a record and its
journal change in one step, although they are two files.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from prepare.records.files import named_errors, write_text
from prepare.records.json_file import parse_json, read_record


class Journal:
    """The journal of a record that is on the disk; it takes the place of an earlier one."""

    def __init__(self, record: Path) -> None:
        """Begins an empty one.

        Args:
            record: its path; stays as it is as long as changes are added.

        Raises:
            OSError: if the one cannot be read, or the other not be written.
        """
        self.path = journal_path(record)
        write_text(self.path, _line({"of": _hash(record.read_bytes())}))

    def add(self, changes: Iterable[Mapping]) -> None:
        """Adds changes, and waits until they are on the disk; a kill leaves the last one torn.

        Raises:
            OSError: if they cannot be written; nothing can be added any more then.
        """
        lines = "".join(map(_line, changes)).encode()
        with named_errors(self.path), self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def journal_path(record: Path) -> Path:
    """Where the journal of a record lies."""
    return record.with_name(f".{record.name}.journal")


def read_journal(record: Path, way_out: str) -> list[dict]:
    """The lines of a record's journal, up to the first that a kill or a power failure has torn.

    It is to be read before the record, which may take it in meanwhile.

    Args:
        record: its path.
        way_out: what to do if the journal cannot be read at all, for the message.

    Returns:
        first what `changes_of` asks for, then the changes; empty where there is no journal.

    Raises:
        DamagedRecordError: if it is no regular file, too long, or not readable.
    """
    text = read_record(journal_path(record), way_out, errors="replace") or ""
    lines: list[dict] = []
    with contextlib.suppress(ValueError, TypeError):
        lines.extend(dict(parse_json(line)) for line in text.split("\n")[:-1])
    return lines


def changes_of(journal: list[dict], text: str) -> list[dict]:
    """The changes in a journal to a record of this text; none, if it is another's."""
    return journal[1:] if journal and journal[0].get("of") == _hash(text.encode()) else []


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _line(content: Mapping) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"
