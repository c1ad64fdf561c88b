"""Finds the photographs of a folder, and shows their names."""

import os
from collections.abc import Callable
from pathlib import Path

SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff",
    ".heic", ".heif", ".avif",
})  # fmt: skip


def photographs_in(
    folder: str | Path,
    recursive: bool = False,
    on_error: Callable[[OSError], object] | None = None,
) -> list[Path]:
    """Paths in a folder that end in a photograph's suffix, of upper or lower case.

    Hidden files and folders are skipped, and with them the `._*` files that macOS leaves beside
    photographs. Links are followed, folders each but once. Whether a path is a file that can be
    read is for the reader to say.

    Args:
        folder: to look in.
        recursive: look in folders below it, too.
        on_error: told why a folder below it cannot be read, whose photographs are left out then;
            without it that ends the search.

    Returns:
        Paths that begin with `folder`, in order of their bytes: the same on every system.

    Raises:
        OSError: if the folder cannot be read.
    """
    found: list[str] = []
    folders, seen = [os.fspath(folder)], set()
    while folders:
        current = folders.pop()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                names = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if on_error is None or current == os.fspath(folder):
                raise
            on_error(error)
            continue
        below = []
        for entry in names:
            if _is_folder(entry):
                below.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                found.append(entry.path)
        folders += sorted(below, key=os.fsencode, reverse=True) if recursive else []
    return [Path(path) for path in sorted(found, key=os.fsencode)]


def shown_name(path: str | Path) -> str:
    """A file's name for a message: one line, printable, though its bytes may be any."""
    name = os.fsencode(os.path.basename(path)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
