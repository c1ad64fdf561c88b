"""Photographs of the user's own folder: found, linked by id, never copied or changed."""

import contextlib
import functools
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from prepare import PrepareError
from prepare.ffhq.local_copy import is_ffhq_copy
from prepare.originals import Original
from prepare.photographs import listing
from prepare.records.data_folder import DataFolder, ImageRecord, why_no_id
from prepare.records.files import sha256_of


class NoPhotographsError(PrepareError):
    """The folder named by --from is missing or holds too few photographs."""


def photographs_in(folder: Path) -> list[Path]:
    """Paths of the photographs below `folder`, in the order of their names.

    Raises:
        NoPhotographsError: if there is no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise NoPhotographsError(f"--from {folder}: no such folder; name a folder of photographs")
    paths = listing.photographs_in(folder, recursive=True)
    if not paths:
        kinds = ", ".join(sorted(listing.SUFFIXES))
        raise NoPhotographsError(f"--from {folder}: no photographs there (looked for {kinds})")
    return paths


def folder_originals(
    folder: Path, originals_dir: Path, num_images: int, done_ids: Collection[str]
) -> Iterator[Original]:
    """Photographs of a folder, linked into `originals_dir` and never copied or changed.

    Args:
        folder: searched with its subfolders.
        originals_dir: where the links are made, named by id.
        num_images: how many are wanted in all.
        done_ids: ids that need not be offered again.

    Raises:
        NoPhotographsError: see `photographs_in`; or if the folder holds fewer than are wanted.
    """
    paths = photographs_in(folder)
    if len(paths) < num_images:
        raise NoPhotographsError(
            f"--num-images asks for {num_images}, but --from {folder} holds {len(paths)} "
            f"photographs; add some, or ask for N={len(paths)}"
        )
    links, places = LinkFolder(originals_dir), RealPlaces()
    taken: dict[str, Path] = {}
    # Where a disk does not tell case, the pictures of FACE would replace those of face.
    in_any_case = {image_id.casefold(): image_id for image_id in sorted(done_ids, reverse=True)}
    for path in paths:
        image_id = path.stem
        if reason := why_no_id(image_id):
            yield Original(image_id, path, "folder", problem=f"its name {reason}; rename it")
            continue
        if image_id in taken:
            problem = f"id {image_id} is taken by {taken[image_id]}; rename one of them"
            yield Original(image_id, path, "folder", problem=problem)
            continue
        taken[image_id] = path
        if image_id in done_ids:
            continue
        if (other := in_any_case.setdefault(image_id.casefold(), image_id)) != image_id:
            problem = f"differs from {other} by case alone; rename one of them"
            yield Original(image_id, path, "folder", problem=problem)
        else:
            yield Original(image_id, links.link(path.name, places.of(path)), "folder")


def changed_photographs(
    folder: Path | None,
    data: DataFolder,
    images: Mapping[str, ImageRecord],
    done_ids: Collection[str],
    *,
    relink: bool,
) -> set[str]:
    """Ids in `done_ids` whose photograph is no longer the one that their pair was made from.

    Content is compared only where the photograph is newer than the pair, or is another file.

    Args:
        folder: as for `folder_originals`; None or a missing one, and a copy of FFHQ, tell nothing.
        data: holds the links that were made, and tells when they were used.
        images: all that its manifest holds; they tell which bytes were used.
        done_ids: ids of complete pairs.
        relink: lets the links lead to photographs that were moved.
    """
    if folder is None or not folder.is_dir() or is_ffhq_copy(folder):
        return set()
    links, places = LinkFolder(data.originals / "folder"), RealPlaces()
    first: dict[str, Path] = {}
    for path in photographs_in(folder):
        first.setdefault(path.stem, path)
    changed = set()
    for image_id in sorted(first.keys() & set(done_ids)):
        real_path, name = places.of(first[image_id]), first[image_id].name
        moved = not links.leads_to(name, real_path)
        if moved and relink:
            links.link(name, real_path)
        # The change time, not the modification time: a file moved into place keeps the latter.
        with contextlib.suppress(OSError):
            if not moved and os.stat(real_path).st_ctime_ns < data.made_at_ns(image_id):
                continue
            if sha256_of(Path(real_path)) == images[image_id].sha256:
                continue
        changed.add(image_id)  # also one that cannot be read any more: it is told why
    return changed


class RealPlaces:
    """Where files really are; of those in one folder, the folder is looked for once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Where links lead, as far as they do: one may lead to itself."""
        folder, name = os.path.split(path)
        if os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


class LinkFolder:
    """The folder of links to photographs, at most one for each id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = os.fspath(path)

    @functools.cached_property
    def _by_id(self) -> dict[str, set[str]]:
        """Names of the links that are there, by id; a call for many is one look."""
        by_id: dict[str, set[str]] = {}
        if self.path.is_dir():
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        by_id.setdefault(Path(entry.name).stem, set()).add(entry.name)
        return by_id

    def leads_to(self, name: str, target: str | Path) -> bool:
        """Whether a link of that name leads to `target`."""
        try:
            found = os.readlink(os.path.join(self._place, name))
        except OSError:  # it is no link
            return False
        return found == target or Path(found) == Path(target)

    def link(self, name: str, target: str | Path) -> Path:
        """A link of that name to `target`; other links of its id are removed."""
        names = self._by_id.setdefault(Path(name).stem, set())
        for other in sorted(names):
            if other != name or not self.leads_to(name, target):
                (self.path / other).unlink()
                names.remove(other)
        if name not in names:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                (self.path / name).symlink_to(target)
            except FileExistsError:  # another part of the set was quicker
                if not self.leads_to(name, target):
                    raise
            names.add(name)
        return self.path / name
