"""Takes single images out of the mirror's tars, which are read as a stream and not kept.

`NNNNN.tar` holds the thousand ids from N * 1000 on, in no order. Beside the images lies, per tar,
an index of the members that have gone by, so that a later run asks for what it lacks and no more.
"""

import contextlib
import json
import operator
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from prepare.ffhq.download import fetch_blocks, fetch_file
from prepare.ffhq.request import Client, DownloadError, IntegrityError
from prepare.ffhq.settings import template_extension
from prepare.ffhq.verified_files import Expected, VerifiedFiles, check_image, check_image_bytes
from prepare.originals import Original
from prepare.records.files import named_errors, write_bytes
from prepare.records.json_file import lines_of, parse_json, read_record

IMAGES_PER_TAR = 1000
_LONGEST_MEMBER_BYTES = 16 << 20  # an uncompressed 1024x1024 image has 3 MiB
_LONGEST_HEADER_BYTES = 1 << 20  # of a member, and all that may stand before it


class TarError(DownloadError):
    """What came is no tar, or half of one."""


class MirrorMemberError(DownloadError):
    """A tar was read, but not every wanted image in it was right."""


def tar_number(image_id: str) -> int:
    """Number of the tar that holds an image."""
    return int(image_id) // IMAGES_PER_TAR


def fetch_from_tar(
    client: Client, mirror_url: str, ids: Collection[str], checked: VerifiedFiles
) -> Iterator[Original]:
    """The images of one tar, each as soon as it is whole; reading ends with the last one.

    Args:
        ids: wanted ids, all of the same thousand.

    Raises:
        MirrorMemberError: after all others came, if images are missing from the tar or wrong.
        DownloadError: if the tar cannot be had, or ends in the middle.
    """
    name = f"{tar_number(min(ids)):05d}.tar"
    url = f"{mirror_url.rstrip('/')}/{name}"
    index = checked.folder / "mirror" / f"{name}.index.jsonl"
    wanted, wrong = set(ids), ""
    for image_id, data in _read_members(client, url, index, wanted):
        wanted.discard(image_id)
        try:
            yield _keep(image_id, data, checked)
        except IntegrityError as error:
            wrong = f"{image_id}.webp {error.reason}"
    if wanted or wrong:
        raise MirrorMemberError(url, wrong or f"{name} lacks {len(wanted)} images ({min(wanted)})")


def fetch_from_template(
    client: Client, mirror_url: str, ids: Collection[str], checked: VerifiedFiles
) -> Iterator[Original]:
    """One image, the only one of `ids`, from a mirror that serves them singly.

    Raises:
        DownloadError: if it cannot be had.
    """
    (image_id,) = ids
    url = mirror_url.replace("{id}", image_id)
    extension = template_extension(mirror_url)
    path = checked.path_for(image_id, extension)
    md5 = fetch_file(client, url, path, check=lambda part: check_image(part, Expected(), extension))
    yield checked.record(image_id, path, "mirror", md5)


def _keep(image_id: str, data: bytes, checked: VerifiedFiles) -> Original:
    path = checked.path_for(image_id, ".webp")
    md5 = check_image_bytes(path.name, data, Expected(), ".webp")
    write_bytes(path, data)
    return checked.record(image_id, path, "mirror", md5)


def _read_members(
    client: Client, url: str, index: Path, wanted: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of the wanted members: those whose place is known, then what comes behind."""
    known, scanned = _read_index(index, url)
    index.parent.mkdir(parents=True, exist_ok=True)
    left = set(wanted)
    with named_errors(index), index.open("a", encoding="utf-8") as record:
        for start, end in [*_runs(known[i] for i in left if i in known), (scanned, None)]:
            if not left:
                return
            for member, offset, next_offset, data in _members(client, url, index, start, end, left):
                if offset >= scanned:
                    # Written before the image is kept: should it not be, its place is known.
                    line = {"url": url, "id": member, "offset": offset, "end": next_offset}
                    record.write("\n" + json.dumps(line))
                    record.flush()
                if member is not None and data is not None:
                    left.discard(member)
                    yield member, data


def _members(
    client: Client, url: str, index: Path, start: int, end: int | None, left: Collection[str]
) -> Iterator[tuple[str | None, int, int, bytes | None]]:
    """(id, offset, next offset, bytes if wanted) of members, while wanted ones are left."""
    stream = _Stream(fetch_blocks(client, url, start=start, end=end))
    try:
        # Small reads: tarfile copies what it has not used yet at each.
        readable = cast(BinaryIO, stream)  # all that a stream of a tar needs
        with tarfile.open(fileobj=readable, mode="r|", bufsize=1 << 16) as tar:
            while left and (member := tar.next()) is not None:
                if member.size > _LONGEST_MEMBER_BYTES or member.issparse():
                    raise tarfile.ReadError(f"no image has {member.size} bytes")
                stream.limit = tar.offset + _LONGEST_HEADER_BYTES
                image_id = _member_id(member)
                file = tar.extractfile(member) if image_id in left else None
                data = file.read() if file else None
                yield image_id, start + member.offset, start + tar.offset, data
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if start:
            index.unlink(missing_ok=True)  # it may have led astray: the tar can be another by now
        raise TarError(url, "the tar ends in the middle, or is none") from error


def _runs(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places as few (offset, end) as possible: neighbors become one."""
    runs: list[tuple[int, int]] = []
    for offset, end in sorted(places):
        if runs and runs[-1][1] == offset:
            offset = runs.pop()[0]
        runs.append((offset, end))
    return runs


def _member_id(member: tarfile.TarInfo) -> str | None:
    """The id of a member that is a plain image file; None for links, paths and all else."""
    match = re.fullmatch(r"(?:\./)?([0-9]{5})\.webp", member.name)
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    return match[1] if match and is_plain else None


def _read_index(path: Path, url: str) -> tuple[dict[str, tuple[int, int]], int]:
    """(offset, end) of each image as far as the tar was read, and where that reading ended."""
    known, scanned = {}, 0
    text = read_record(path, "remove it: it only saves time", errors="replace") or ""
    for line in lines_of(text):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a killed run's torn last line
            member = parse_json(line)
            offset, end = operator.index(member["offset"]), operator.index(member["end"])
            if member["url"] == url and offset == scanned < end:  # else there would be a gap
                known[member["id"]], scanned = (offset, end), end
    return known, scanned


class _Stream:
    """Blocks as the file object that tarfile reads.

    `limit` bounds how far it is read: a header may claim any length, and would be kept in memory.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks, self.rest = blocks, memoryview(b"")
        self.position, self.limit = 0, _LONGEST_HEADER_BYTES

    def read(self, num_bytes: int) -> memoryview:
        """The next bytes, at most `num_bytes`; tarfile.ReadError behind the limit."""
        if self.position > self.limit:
            raise tarfile.ReadError("a header is too long")
        if not self.rest:
            self.rest = memoryview(next(self.blocks, b""))
        data, self.rest = self.rest[:num_bytes], self.rest[num_bytes:]
        self.position += len(data)
        return data
