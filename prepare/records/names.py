"""Ids of images: which texts may be one, since each becomes the name of files."""

import os

SEPARATORS = {"/", "\0", os.sep, os.altsep or os.sep}
MAX_NAME_BYTES = 255  # of a file's name, on nearly every file system


def why_no_id(text: object) -> str | None:
    """Why a text cannot be the id of an image, or None if it can.

    An id stays in its folder wherever it is made a file's name: it is a plain name without
    separators of this system, in UTF-8, and `<id>.jpg` is no longer than names can be.
    """
    if not isinstance(text, str):
        return "is no text"
    if text in ("", ".", "..") or not SEPARATORS.isdisjoint(text):
        return "is empty, or leads to another folder"
    try:
        num_bytes = len(f"{text}.jpg".encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"is longer than {MAX_NAME_BYTES - 4} bytes" if num_bytes > MAX_NAME_BYTES else None


def check_id(text: object) -> None:
    """Raises ValueError unless a text may be the id of an image, see `why_no_id`."""
    if reason := why_no_id(text):
        raise ValueError(f"the name {text!r:.80} {reason}")
