"""Takes single images out of the mirror's tar archives, which are read as a stream and not kept.

`NNNNN.tar` holds the thousand ids from N * 1000 on, in no order. For each archive, an index beside
the images lists the members that were read, so that a later run requests only what it lacks.
"""

import re
import tarfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from prepare.ffhq.download import Client, DownloadError, IntegrityError, fetch_blocks
from prepare.ffhq.local_copy import MAX_IMAGE_BYTES, VerifiedFiles, check_image
from prepare.ffhq.metadata import is_template, without_login
from prepare.originals import Original
from prepare.records.files import write_bytes
from prepare.records.jsonl import JsonLines

IMAGES_PER_TAR = 1000
IMAGE_BYTES = 960_000  # on average
TAR_BLOCK = 512  # bytes


@dataclass(frozen=True)
class Member:
    """A line of an index: the position of a member in a tar archive."""

    url: str  # of the tar, without a login
    id: str | None  # None for a member that is no image
    offset: int
    end: int


class MirrorIndex:
    """The members of one archive that were read, recorded in `mirror/<tar>.index.jsonl`."""

    def __init__(self, folder: Path, mirror_url: str, image_id: str) -> None:
        self.name = f"{int(image_id) // IMAGES_PER_TAR:05d}.tar"
        self.url = f"{mirror_url.rstrip('/')}/{self.name}"
        path = folder / "mirror" / f"{self.name}.index.jsonl"
        self.log = JsonLines(path, Member, "remove it: it only saves time", skip_damaged=True)
        self.places: dict[str | None, tuple[int, int]] = {}  # (offset, end) by id
        self.scanned = 0  # how far the tar was read, without a gap
        for member in self.log.read():
            if member.url == without_login(self.url) and self.scanned == member.offset < member.end:
                self.places[member.id] = (member.offset, member.end)
                self.scanned = member.end

    def add(self, image_id: str | None, offset: int, end: int) -> None:
        """Notes a member, unless it is known."""
        if offset >= self.scanned:
            self.log.append([Member(without_login(self.url), image_id, offset, end)])

    def spans(self, ids: Iterable[str]) -> list[tuple[int, int]]:
        """(offset, end) of the images with a known position, neighbors joined."""
        spans: list[tuple[int, int]] = []
        for offset, end in sorted(self.places[image_id] for image_id in ids):
            if spans and spans[-1][1] == offset:
                offset = spans.pop()[0]
            spans.append((offset, end))
        return spans

    def bytes_to_read(self, ids: Collection[str]) -> int:
        """How much of the tar will be read for images of it, as is to be expected."""
        known = [image_id for image_id in ids if image_id in self.places]
        num_unknown = len(ids) - len(known)
        num_bytes = sum(end - offset for offset, end in self.spans(known))
        # Of k members in no order the last is to be expected at k / (k + 1) of what is unread.
        unread = max(0, IMAGES_PER_TAR * IMAGE_BYTES - self.scanned)
        return num_bytes + unread * num_unknown // (num_unknown + 1)


def groups_by_tar(ids: Iterable[str]) -> list[list[str]]:
    """The ids of each tar."""
    groups = groupby(sorted(ids), key=lambda image_id: int(image_id) // IMAGES_PER_TAR)
    return [list(group) for _, group in groups]


def mirror_bytes(mirror_url: str, ids: Collection[str], folder: Path) -> int:
    """How much will be read from the mirror for images, as is to be expected."""
    if is_template(mirror_url):
        return len(ids) * IMAGE_BYTES
    groups = groups_by_tar(ids)
    return sum(MirrorIndex(folder, mirror_url, ids[0]).bytes_to_read(ids) for ids in groups)


def fetch_from_tar(
    client: Client, mirror_url: str, files: VerifiedFiles, ids: Collection[str]
) -> Iterator[Original]:
    """Some images of one archive, each when it is complete; reading ends with the last one.

    Raises:
        DownloadError: if the tar cannot be had, or ends in the middle; after all others came, if
            images are missing from the tar or wrong.
    """
    index = MirrorIndex(files.folder, mirror_url, min(ids))
    missing, wrong = set(ids), ""
    for start, end in [*index.spans(missing & index.places.keys()), (index.scanned, None)]:
        for image_id, data in read_members(client, index, start, end, missing):
            try:
                md5 = check_image(f"{image_id}.webp", data, ".webp")
            except IntegrityError as error:
                wrong = f"{image_id}.webp {error.reason}"
            else:
                path = files.path_for(image_id, ".webp")
                write_bytes(path, data)
                yield files.record(image_id, path, "mirror", md5)
    if missing or wrong:
        lacks = f"{index.name} lacks {len(missing)} images ({min(missing, default='')})"
        raise DownloadError(index.url, wrong or lacks)


def read_members(
    client: Client, index: MirrorIndex, start: int, end: int | None, missing: set[str]
) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of the missing images in a span of a tar, which then are not missing any more.

    Headers of other kinds (pax, GNU) are members like any: the names of images need none.
    """
    if not missing:
        return
    blocks = fetch_blocks(client, index.url, start=start, end=end)
    ahead, at = bytearray(), start

    def take(num_bytes: int) -> bytes:
        while len(ahead) < num_bytes and (block := next(blocks, b"")):
            ahead.extend(block)
        taken = bytes(ahead[:num_bytes])
        del ahead[:num_bytes]
        return taken

    try:
        while missing and any(header := take(TAR_BLOCK)):
            member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
            if not 0 <= member.size <= MAX_IMAGE_BYTES:
                raise tarfile.ReadError(f"no image has {member.size} bytes")
            num_bytes = -(-member.size // TAR_BLOCK) * TAR_BLOCK
            data = take(num_bytes)
            if len(data) < num_bytes:
                raise tarfile.ReadError("a member is cut off")
            # No link, and no path but the image's own name.
            match = re.fullmatch(r"(?:\./)?([0-9]{5})\.webp", member.name)
            image_id = match[1] if match and member.isreg() else None
            offset, at = at, at + TAR_BLOCK + num_bytes
            # Noted before the image is kept: should it not be, its place is known.
            index.add(image_id, offset, at)
            if image_id and image_id in missing:
                missing.discard(image_id)
                yield image_id, data[: member.size]
        if at == start and not header:
            raise tarfile.ReadError("it does not exist")
    except (tarfile.TarError, ValueError) as error:
        if start:
            index.log.path.unlink(missing_ok=True)  # the tar can be another one by now
        raise DownloadError(index.url, "the archive is cut off, or is no archive") from error
