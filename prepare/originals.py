"""An original, one photograph as its source gives it; and those of the user's own folders."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prepare import PrepareError
from prepare.photographs import listing
from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.data_folder import DataFolder, ImageRecord, why_no_id
from prepare.records.files import atomic_file, sha256_of
from prepare.records.jsonl import JsonLines

NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that has none
SEEN_NAME = ".photographs.jsonl"
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
    """A photograph whose bytes are known for as long as its state is the same."""

    id: str
    sha256: str
    state: State


def seen_photographs(data: DataFolder) -> JsonLines[SeenPhotograph]:
    """The photographs whose pairs were made; a lost line costs that one is read again."""
    return JsonLines(data.path / SEEN_NAME, SeenPhotograph, "remove it", skip_damaged=True)


class NoPhotographsError(PrepareError):
    """A folder named by --from is missing, or they hold too few photographs."""


def paths_by_id(originals_dir: Path, source: str = "") -> dict[str, Path]:
    """Where the originals of a data folder lie, by their exact ids.

    Args:
        originals_dir: holds one folder a source. Folders may be linked in; none is walked twice.
        source: of two files with the same id, one below the folder of this name is taken.

    Raises:
        OSError: if the folder cannot be read.
    """
    if not originals_dir.is_dir():
        return {}
    preferred = originals_dir / source
    paths = listing.photographs_in(originals_dir, recursive=True, on_error=print_left_out)
    paths.sort(key=lambda path: path.is_relative_to(preferred))
    return {path.stem: path for path in paths}


def photographs_in(folders: Sequence[Path]) -> list[Path]:
    """Paths of the photographs below some folders: folder by folder, in the order of their names.

    A folder below that cannot be read is named, and left out.

    Raises:
        NoPhotographsError: if a folder is not there, or none of them holds a photograph.
        OSError: if one of them cannot be read.
    """
    for folder in folders:
        if not folder.is_dir():
            raise NoPhotographsError(
                f"--from {folder}: no such folder; name a folder of photographs"
            )
    found = [listing.photographs_in(f, recursive=True, on_error=print_left_out) for f in folders]
    paths = list(dict.fromkeys(path for paths in found for path in paths))
    if not paths:
        kinds, places = ", ".join(sorted(listing.SUFFIXES)), " ".join(map(str, folders))
        raise NoPhotographsError(f"--from {places}: no photographs there (looked for {kinds})")
    return paths


def print_left_out(error: OSError) -> None:
    """Names a folder that cannot be read."""
    print(f"{error.filename} cannot be read ({error.strerror}): what it holds is left out")


def state_of(path: str | Path) -> State:
    """What changes with the bytes of a file: its size, and when it and its entry were written.

    The latter, in nanoseconds, also tells of another file that was moved to the same place.
    """
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def with_ids(paths: Sequence[Path], done_ids: Collection[str] = ()) -> list[Original]:
    """Photographs with their ids, or with why they can have none.

    The id is the name without its extension. Of several photographs of one name in different
    folders the first has it; before those of the others stands the name of their folder, as in
    101-IMG_0001. Where a disk does not tell case, FACE would replace face: they are one name.

    Args:
        paths: of the photographs.
        done_ids: ids that are given already; a photograph of that very name keeps it.
    """
    spellings = {image_id.casefold(): image_id for image_id in done_ids}
    owners: dict[str, Original] = {}  # by id, whatever its case
    found = {}
    for path in sorted(paths, key=lambda path: path.stem not in done_ids):
        image_id, folder, problem = path.stem, path.parent, ""
        while (
            (owner := owners.get(image_id.casefold()))
            and owner.path.parent != path.parent
            and folder.name
        ):
            image_id, folder = f"{folder.name}-{image_id}", folder.parent
        other_id = owner.id if owner else spellings.get(image_id.casefold(), image_id)
        if reason := why_no_id(image_id):
            problem = f"its name {reason}; rename it"
        elif other_id != image_id:
            problem = f"differs from {other_id} by case alone; rename one of them"
        elif owner:
            problem = f"id {image_id} is taken by {owner.path}; rename one of them"
        found[path] = Original(image_id, path, "folder", problem)
        owners.setdefault(image_id.casefold(), found[path])
    return [found[path] for path in paths]


class LinkFolder:
    """A folder of links to photographs, at most one an id; of copies where links cannot be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copies: set[str] = set()  # names of what is no link
        self.links: dict[str, set[str]] = {}  # names by id: a call for many is one look
        if path.is_dir():
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        self.links.setdefault(Path(entry.name).stem, set()).add(entry.name)
                    else:
                        self.copies.add(entry.name)

    def link(self, name: str, target: str, known_sha256: str = "") -> Path:
        """A link of that name to `target`; other links of its id are removed.

        Args:
            name: of the link: an id, and the suffix of its photograph.
            target: the photograph, its full path.
            known_sha256: of an older copy of it, which is replaced.

        Raises:
            UnusablePhotograph: if the photograph cannot be copied.
            FileExistsError: if another file is in the way, which stays.
            OSError: if the link or the copy cannot be written.
        """
        place, names = self.path / name, self.links.setdefault(Path(name).stem, set())
        for other in sorted(names):
            if other != name or os.readlink(place) != target:
                (self.path / other).unlink()
                names.remove(other)
        if name in names:
            return place
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            place.symlink_to(target)
            names.add(name)
        except OSError as error:
            if error.errno not in (errno.EEXIST, *NO_LINKS):
                raise
            # Where it is a link by now, another part of the set was quicker.
            if not (place.is_symlink() and os.readlink(place) == target):
                copy_photograph(Path(target), place, known_sha256)
        return place


def copy_photograph(photograph: Path, place: Path, known_sha256: str) -> None:
    """Copies a photograph where it cannot be linked, see `LinkFolder.link`."""
    try:
        sha256 = sha256_of(photograph)
    except OSError as error:
        raise UnusablePhotograph(f"cannot be opened ({error.strerror})") from error
    if os.path.lexists(place):
        found_sha256 = sha256_of(place)
        if found_sha256 == sha256:
            return
        if found_sha256 != known_sha256:
            raise FileExistsError(errno.EEXIST, "another file is in the way", os.fspath(place))
    with photograph.open("rb") as source, atomic_file(place) as file:
        shutil.copyfileobj(source, file)


class OwnPhotographs:
    """The user's own photographs: linked by id, never changed."""

    def __init__(self, paths: Sequence[Path], data: DataFolder) -> None:
        """Looks at the links that there are.

        Args:
            paths: of the photographs.
            data: gets the links, and knows the photographs whose pairs were made.
        """
        self.paths, self.log = paths, seen_photographs(data)
        self.seen = {photograph.id: photograph for photograph in self.log.read()}
        self.folder = LinkFolder(data.originals / "folder")
        self._real_folders: dict[Path, str] = {}

    def changed(
        self, images: Mapping[str, ImageRecord], done_ids: Collection[str], *, relink: bool
    ) -> set[str]:
        """Ids in `done_ids` whose photograph is no longer the one that their pair was made from.

        Content is read where the photograph's state is not the one that is known.

        Args:
            images: all that the manifest holds; they tell which bytes were used.
            done_ids: ids of complete pairs.
            relink: lets the links lead to photographs that were moved, and notes what was read.
        """
        changed, read = set(), []
        for original in with_ids(self.paths, done_ids):
            if original.problem or original.id not in done_ids:
                continue
            sha256 = images[original.id].sha256
            try:
                now = SeenPhotograph(original.id, sha256, state_of(original.path))
                if now != self.seen.get(original.id):
                    if sha256_of(original.path) != sha256:
                        changed.add(original.id)
                        continue
                    read.append(now)
            except OSError:  # it cannot be read any more: who makes its pair says why
                changed.add(original.id)
                continue
            if relink and f"{original.id}{original.path.suffix}" not in self.folder.copies:
                self.linked(original)
        if relink and read:
            self.log.append(read)
        return changed

    def to_make(self, done_ids: Collection[str]) -> list[Original]:
        """Those that are not done, and those that cannot be used."""
        originals = with_ids(self.paths, done_ids)
        return [each for each in originals if each.problem or each.id not in done_ids]

    def linked(self, original: Original) -> Original:
        """A photograph where it was linked to, in the state in which it is now."""
        if original.problem:
            return original
        path, seen = original.path, self.seen.get(original.id)
        folder = path.parent
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        real_path = os.path.join(self._real_folders[folder], path.name)
        # As far as links lead: one may lead to itself.
        real_path = os.path.realpath(path) if path.is_symlink() else real_path
        state = None
        with contextlib.suppress(OSError):  # who reads it says why
            state = state_of(path)
        name = f"{original.id}{path.suffix}"
        try:
            place = self.folder.link(name, real_path, seen.sha256 if seen else "")
        except UnusablePhotograph as error:
            return replace(original, problem=str(error))
        return replace(original, path=place, state=state)
