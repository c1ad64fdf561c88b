"""Photographs of the user's own folder: found, linked by id, never copied or changed."""

import glob
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from prepare import PrepareError
from prepare.ffhq.local_copy import is_ffhq_copy
from prepare.originals import Original
from prepare.records.manifest import read_manifest
from prepare.records.names import PHOTOGRAPH_SUFFIXES


class NoPhotographsError(PrepareError):
    """The folder named by --from is missing or holds too few photographs."""


def photographs_in(folder: Path) -> list[Path]:
    """Paths of the photographs below `folder`, in the order of their names.

    Raises:
        NoPhotographsError: if there is no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise NoPhotographsError(f"--from {folder}: no such folder; name a folder of photographs")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTOGRAPH_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        kinds = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
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
    taken: dict[str, Path] = {}
    for path in paths:
        if path.stem in taken:
            problem = f"id {path.stem} is taken by {taken[path.stem]}; rename one of them"
            yield Original(path.stem, path, "folder", problem=problem)
            continue
        taken[path.stem] = path
        if path.stem not in done_ids:
            link = originals_dir / path.name
            link_to(link, path.resolve())
            yield Original(path.stem, link, "folder")


def changed_photographs(
    folder: Path | None,
    originals_dir: Path,
    manifest_path: Path,
    done_ids: Collection[str],
    made_at_ns: Callable[[str], int],
    *,
    relink: bool,
) -> set[str]:
    """Ids in `have` whose photograph is no longer the one that their pair was made from.

    Content is compared only where the photograph is newer than the pair, or is another file.

    Args:
        folder: as for `folder_originals`; None or a missing one, and a copy of FFHQ, tell nothing.
        originals_dir: holds the links that were made.
        manifest_path: tells which bytes were used.
        done_ids: ids of complete pairs.
        made_at_ns: when the pair of an id was made, in nanoseconds.
        relink: lets the links lead to photographs that were moved.
    """
    if folder is None or not folder.is_dir() or is_ffhq_copy(folder):
        return set()
    images = read_manifest(manifest_path)
    first: dict[str, Path] = {}
    for path in photographs_in(folder):
        first.setdefault(path.stem, path)
    changed = set()
    for image_id in sorted(first.keys() & set(done_ids)):
        path = first[image_id].resolve()
        link = originals_dir / first[image_id].name
        moved = not _leads_to(link, path)
        if moved and relink:
            link_to(link, path)
        # The change time, not the modification time: a file moved into place keeps the latter.
        if moved or path.stat().st_ctime_ns >= made_at_ns(image_id):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if sha256 != images[image_id].sha256:
                changed.add(image_id)
    return changed


def _leads_to(link: Path, target: Path) -> bool:
    return link.is_symlink() and Path(os.readlink(link)) == target


def link_to(link: Path, target: Path) -> None:
    """Makes `link` lead to `target`, and no other link of its id lead elsewhere."""
    link.parent.mkdir(parents=True, exist_ok=True)
    for other in link.parent.glob(f"{glob.escape(link.stem)}.*"):
        if other.is_symlink() and (other != link or not _leads_to(link, target)):
            other.unlink()
    if not link.is_symlink():
        link.symlink_to(target)
