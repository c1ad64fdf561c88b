"""Where originals come from: FFHQ, a folder of photographs, or portraits drawn on the spot.

A source is a generator of `Original`s, each ready to be read. It is pulled until enough of them
could be used, so it may offer more than is asked for and never does work that nobody wants.
"""

import functools
import glob
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image as PillowImage

from prepare import PrepareError
from prepare.ffhq_copy import ffhq_copy_originals, is_ffhq_copy
from prepare.ffhq_source import FfhqSettings, ffhq_originals
from prepare.manifest import read_manifest, write_atomically
from prepare.originals import Original
from prepare.samples import portrait

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


FFHQ_SOURCES = frozenset({"ffhq", "drive", "mirror"})


class NoPhotographsError(PrepareError):
    """The folder named by --from is missing or holds too few photographs."""


class MixedSourcesError(PrepareError):
    """A data folder would hold images of two kinds."""


def originals_from(
    source: str,
    *,
    folder: Path | None,
    originals_dir: Path,
    num_images: int,
    seed: int,
    have: Collection[str],
    ffhq: FfhqSettings,
) -> Iterator[Original]:
    """Originals of the named source, the wanted ones first, without those in `have`.

    Args:
        source: "ffhq", "drive", "mirror", "folder" or "sample".
        folder: of the photographs, for "folder".
        originals_dir: holds one folder a source.
        num_images: how many are wanted in all.
        seed: of drawn portraits.
        have: ids that need not be offered again.
        ffhq: where FFHQ is fetched from.
    """
    if source == "sample":
        return sample_originals(originals_dir / "sample", seed, have)
    if source in FFHQ_SOURCES:
        return ffhq_originals(replace(ffhq, source=source), originals_dir, num_images, have)
    if folder is None:
        raise NoPhotographsError("SOURCE=folder needs FROM=.., a folder of photographs")
    if is_ffhq_copy(folder):
        return ffhq_copy_originals(folder, num_images, ffhq.ids, have)
    return folder_originals(folder, originals_dir / "folder", num_images, have)


def check_same_source(manifest_path: Path, source: str) -> int:
    """Number of images in a manifest, all of which must be of a source's kind.

    Raises:
        MixedSourcesError: if some are of another: drawn and real portraits do not mix unnoticed.
    """
    images = read_manifest(manifest_path)
    kind = FFHQ_SOURCES if source in FFHQ_SOURCES else {source}
    others = sorted({image.source for image in images.values()} - kind)
    if others:
        raise MixedSourcesError(
            f"{manifest_path} holds images from {', '.join(others)}, now asked for {source}; use "
            "another data folder (DATA=...) or run `make clean-pairs` first"
        )
    return len(images)


def originals_at_hand(
    originals_dir: Path, manifest_path: Path, have: Collection[str]
) -> list[Original]:
    """The originals of a manifest that are not in `have`, where they lie on disk.

    Raises:
        NoPhotographsError: if the manifest has no images yet.
    """
    images = read_manifest(manifest_path)
    if not images:
        raise NoPhotographsError(f"no images in {manifest_path}; run `make dataset` first")
    paths = {
        Path(name).stem: Path(folder, name)
        for folder, _, names in os.walk(originals_dir, followlinks=True)  # FFHQ may be linked in
        for name in names
        if Path(name).suffix.lower() in SUFFIXES
    }
    return [
        Original(
            each.id,
            paths.get(each.id, originals_dir / each.id),
            each.source,
            problem="" if each.id in paths else "the original is gone",
        )
        for each in images.values()
        if each.id not in have
    ]


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
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        kinds = ", ".join(sorted(SUFFIXES))
        raise NoPhotographsError(f"--from {folder}: no photographs there (looked for {kinds})")
    return paths


def folder_originals(
    folder: Path, originals_dir: Path, num_images: int, have: Collection[str]
) -> Iterator[Original]:
    """Photographs of a folder, linked into `originals_dir` and never copied or changed.

    Args:
        folder: searched with its subfolders.
        originals_dir: where the links are made, named by id.
        num_images: how many are wanted in all.
        have: ids that need not be offered again.

    Raises:
        NoPhotographsError: see `photographs_in`; or if the folder holds fewer than are wanted.
    """
    paths = photographs_in(folder)
    if len(paths) < num_images:
        raise NoPhotographsError(
            f"--num-images asks for {num_images}, but --from {folder} holds {len(paths)} "
            f"photographs; add some, or ask for N={len(paths)}"
        )
    originals_dir.mkdir(parents=True, exist_ok=True)
    taken: dict[str, Path] = {}
    for path in paths:
        if path.stem in taken:
            problem = f"id {path.stem} is taken by {taken[path.stem]}; rename one of them"
            yield Original(path.stem, path, "folder", problem=problem)
            continue
        taken[path.stem] = path
        if path.stem not in have:
            link = originals_dir / path.name
            _link(link, path.resolve())
            yield Original(path.stem, link, "folder")


def changed_photographs(
    folder: Path | None,
    originals_dir: Path,
    manifest_path: Path,
    have: Collection[str],
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
        have: ids of complete pairs.
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
    for image_id in sorted(first.keys() & set(have)):
        path = first[image_id].resolve()
        link = originals_dir / first[image_id].name
        moved = not _leads_to(link, path)
        if moved and relink:
            originals_dir.mkdir(parents=True, exist_ok=True)
            _link(link, path)
        # The change time, not the modification time: a file moved into place keeps the latter.
        if moved or path.stat().st_ctime_ns >= made_at_ns(image_id):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if sha256 != images[image_id].sha256:
                changed.add(image_id)
    return changed


def _leads_to(link: Path, target: Path) -> bool:
    return link.is_symlink() and Path(os.readlink(link)) == target


def _link(link: Path, target: Path) -> None:
    """Makes `link` lead to `target`, and no other link of its id lead elsewhere."""
    for other in link.parent.glob(f"{glob.escape(link.stem)}.*"):
        if other.is_symlink() and (other != link or not _leads_to(link, target)):
            other.unlink()
    if not link.is_symlink():
        link.symlink_to(target)


def sample_originals(originals_dir: Path, seed: int, have: Collection[str]) -> Iterator[Original]:
    """Drawn portraits without end, each drawn when a worker first asks for it."""
    for index in itertools.count():
        image_id = f"sample-{seed}-{index:05d}"
        path = originals_dir / f"{image_id}.png"
        if image_id not in have:
            draw = functools.partial(_draw_portrait, path, index, seed)
            yield Original(image_id, path, "sample", draw=draw)


def _draw_portrait(path: Path, index: int, seed: int) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        PillowImage.fromarray(portrait(index, seed)).save(buffer, "PNG", compress_level=1)
        write_atomically(path, buffer.getvalue())
