"""Originals: photographs as their source gives them, and those of the user's own folders."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prepare import PrepareError
from prepare.photographs import reader
from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.data_folder import DataFolder, ImageRecord, why_no_id
from prepare.records.files import atomic_file, sha256_of
from prepare.records.jsonl import JsonLines

NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # the last of Windows
State = tuple[int, int, int]


@dataclass(frozen=True)
class Original:
    """One photograph at its source's resolution, on disk once `materialize` (if any) was called."""

    id: str  # the file's stem, "00042"
    path: Path
    source: str  # "folder", "sample", "drive" or "mirror"
    problem: str = ""  # why it cannot be used, where the source knows already
    materialize: Callable[[], None] | None = None  # puts the file at `path`; slow: for a worker
    state: State | None = None  # of the user's own photograph, before it is read: see `state_of`


@dataclass(frozen=True)
class SeenPhotograph:
    """A photograph whose bytes are known while its state is unchanged."""

    id: str
    sha256: str
    state: State


def seen_photographs(data: DataFolder) -> JsonLines[SeenPhotograph]:
    """The photographs whose pairs were made; if a line is lost, that photograph is read again."""
    return JsonLines(
        data.path / ".photographs.jsonl", SeenPhotograph, "remove it", skip_damaged=True
    )


def paths_by_id(originals_dir: Path, source: str = "") -> dict[str, Path]:
    """Where the originals of a data folder lie, by their exact ids.

    It holds one folder a source; of two files with the same id that of `source` is taken. Folders
    may be linked in; none is walked twice.
    """
    if not originals_dir.is_dir():
        return {}
    paths = reader.photographs_in(originals_dir, recursive=True, on_error=print_left_out)
    paths.sort(key=lambda path: path.is_relative_to(originals_dir / source))
    return {path.stem: path for path in paths}


def photographs_in(folders: Sequence[Path]) -> list[Path]:
    """Paths of the photographs below some folders: folder by folder, in the order of their names.

    A folder below that cannot be read is named, and left out.

    Raises:
        PrepareError: if a folder is not there, or none of them holds a photograph.
    """
    paths: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise PrepareError(f"--from {folder}: no such folder; name a folder of photographs")
        found = reader.photographs_in(folder, recursive=True, on_error=print_left_out)
        paths |= dict.fromkeys(found)
    if not paths:
        kinds, places = ", ".join(sorted(reader.SUFFIXES)), " ".join(map(str, folders))
        raise PrepareError(f"--from {places}: no photographs there (looked for {kinds})")
    return list(paths)


def print_left_out(error: OSError) -> None:
    """Names a folder that cannot be read."""
    print(f"{error.filename} cannot be read ({error.strerror}): its photographs are left out")


def state_of(path: str | Path) -> State:
    """The size of a file, and the times when the file and its entry were written.

    The time of the entry, in nanoseconds, also shows that another file was moved there.
    """
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def possible_ids(path: Path) -> Iterator[str]:
    """A photograph's name without its extension, and with more and more names of its folders."""
    image_id = path.stem
    yield image_id
    for folder in filter(None, (parent.name for parent in path.parents)):
        image_id = f"{folder}-{image_id}"
        yield image_id


def with_ids(
    paths: Sequence[Path], given: Mapping[Path, str], known_ids: Collection[str] = ()
) -> list[Original]:
    """Photographs with their ids, or with why they can have none.

    The id is the name without its extension. If several folders have a photograph of one name, the
    first keeps it, and the others get the name of their folder in front: 101-IMG_0001. Some disks
    ignore case, so that FACE would replace face; both count as one name.

    Photographs keep ids that they were `given`. A photograph with the very name of one of
    `known_ids`, of all images, comes before others.
    """
    spellings = {image_id.casefold(): image_id for image_id in known_ids}
    owners: dict[str, Original] = {}  # by id, whatever its case
    found = {}
    for path in sorted(paths, key=lambda path: (path not in given, path.stem not in known_ids)):
        owner, image_id = None, path.stem
        for image_id in [given[path]] if path in given else possible_ids(path):
            owner = owners.get(image_id.casefold())
            if owner is None or owner.path.parent == path.parent:
                break
        other_id, problem = owner.id if owner else spellings.get(image_id.casefold(), image_id), ""
        if reason := why_no_id(image_id):
            problem = f"its name {reason}; rename it"
        elif other_id != image_id:
            problem = f"differs from {other_id} only in upper and lower case; rename one of them"
        elif owner:
            problem = f"id {image_id} is taken by {owner.path}; rename one of them"
        found[path] = Original(image_id, path, "folder", problem)
        owners.setdefault(image_id.casefold(), found[path])
    return [found[path] for path in paths]


def link_or_copy(target: str, place: Path, known_sha256: str = "") -> None:
    """Puts a link to a file or folder at a place; a copy of a file where links cannot be.

    A link to something else is replaced there, and so is an older copy of the known SHA-256.

    Raises:
        UnusablePhotograph: if the file cannot be copied.
        FileExistsError: if another file is in the way, which stays.
        OSError: if the link or the copy cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        if place.is_symlink() and os.readlink(place) != target:
            place.unlink()
        place.symlink_to(target)
        return
    except OSError as error:
        if place.is_symlink() and os.readlink(place) == target:
            return  # perhaps another part of the set was quicker
        if error.errno not in (errno.EEXIST, *NO_LINKS) or os.path.isdir(target):
            raise
    try:
        sha256 = sha256_of(target)
    except OSError as error:
        raise UnusablePhotograph(f"cannot be opened ({error.strerror})") from error
    if os.path.lexists(place) and (found_sha256 := sha256_of(place)) != known_sha256:
        if found_sha256 == sha256:
            return
        raise FileExistsError(errno.EEXIST, "another file has its place", os.fspath(place))
    with open(target, "rb") as source, atomic_file(place) as file:
        shutil.copyfileobj(source, file)


class OwnPhotographs:
    """The user's own photographs with their ids: linked by these, never changed."""

    def __init__(
        self, paths: Sequence[Path], data: DataFolder, known_ids: Collection[str] = ()
    ) -> None:
        """Reads the existing links, each of which stores the id of its photograph."""
        self.log, self.folder = seen_photographs(data), data.originals / "folder"
        self.seen = {photograph.id: photograph for photograph in self.log.read()}
        self.copies: set[str] = set()  # names of what is no link
        self.links: dict[str, dict[str, str]] = {}  # where those of an id lead, by their names
        for entry in os.scandir(self.folder) if self.folder.is_dir() else ():
            if entry.is_symlink():
                links = self.links.setdefault(Path(entry.name).stem, {})
                links[entry.name] = os.readlink(entry.path)
            else:
                self.copies.add(entry.name)
        folders = {folder: os.path.realpath(folder) for folder in {path.parent for path in paths}}
        self.targets = {
            path: os.path.realpath(path)  # as far as links lead: one may lead to itself
            if path.is_symlink()
            else os.path.join(folders[path.parent], path.name)
            for path in paths
        }
        given = {}
        for path in paths if self.links or self.copies else ():
            for image_id in possible_ids(path):
                if self.has_id(path, image_id):
                    given[path] = image_id
                    break
        self.originals = with_ids(paths, given, known_ids)

    def has_id(self, path: Path, image_id: str) -> bool:
        """Whether a photograph was given this id when its link or copy was made."""
        if f"{image_id}{path.suffix}" in self.copies and image_id in self.seen:
            with contextlib.suppress(OSError):
                return self.seen[image_id].state == state_of(path)
        return self.targets[path] in self.links.get(image_id, {}).values()

    def changed(
        self, images: Mapping[str, ImageRecord], done_ids: Collection[str], *, relink: bool
    ) -> set[str]:
        """Ids in `done_ids` whose photograph has changed since their pair was made.

        A photograph is read only if its state has changed. `relink` updates links to photographs
        that were moved, and records the states that were read.
        """
        changed, read = set(), []
        for original in self.originals:
            image_id, path = original.id, original.path
            if original.problem or image_id not in done_ids:
                continue
            seen, sha256, is_same = self.seen.get(image_id), images[image_id].sha256, False
            with contextlib.suppress(OSError):  # who makes its pair says why it cannot be read
                now = SeenPhotograph(image_id, sha256, state_of(path))
                is_same = now == seen or sha256_of(path) == sha256
                if relink and is_same and now != seen:
                    read.append(now)
            if not is_same:
                changed.add(image_id)
            elif relink and f"{image_id}{path.suffix}" not in self.copies:
                self.linked(original)
        if read:
            self.log.append(read)
        return changed

    def linked(self, original: Original) -> Original:
        """A photograph where it was linked to, in the state in which it is now."""
        if original.problem:
            return original
        path, seen = original.path, self.seen.get(original.id)
        state = None
        with contextlib.suppress(OSError):  # who reads it says why
            state = state_of(path)
        name, target = f"{original.id}{path.suffix}", self.targets[path]
        if (links := self.links.get(original.id, {})) != {name: target}:
            for other in links.keys() - {name}:
                (self.folder / other).unlink(missing_ok=True)
            try:
                link_or_copy(target, self.folder / name, seen.sha256 if seen else "")
            except UnusablePhotograph as error:
                return replace(original, problem=str(error))
        return replace(original, path=self.folder / name, state=state)
