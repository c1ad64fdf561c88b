"""What a download of FFHQ will take, estimated without the network."""

import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from prepare.ffhq.metadata import METADATA_BYTES_PER_ENTRY, wanted_ids
from prepare.ffhq.mirror import IMAGES_PER_TAR, tar_number
from prepare.ffhq.settings import FfhqSettings, is_template
from prepare.ffhq.verified_files import VerifiedFiles

_PNG_BYTES = 1_273_000  # 89.1 GB / 70,000
_MIRROR_BYTES = 960_000  # an image of the mirror, on average


@dataclass(frozen=True)
class DownloadPlan:
    """What a download will take, estimated without the network."""

    num_files: int  # images not there yet
    download_bytes: int
    disk_bytes: int
    free_bytes: int  # on the disk of the data folder


def download_plan(
    settings: FfhqSettings, originals_dir: Path, num_images: int, done_ids: Collection[str] = ()
) -> DownloadPlan:
    """What `ffhq_originals` would fetch, given the same arguments."""
    checked = VerifiedFiles(originals_dir / "ffhq")
    done_ids = frozenset(done_ids)
    ids = [i for i in wanted_ids(settings.ids, num_images) if i not in done_ids]
    missing = [i for i in ids if not checked.find(i) and not checked.files(i)]
    image_bytes = _MIRROR_BYTES if settings.source == "mirror" else _PNG_BYTES
    download_bytes = disk_bytes = len(missing) * image_bytes
    if settings.source == "mirror" and not is_template(settings.mirror_url):
        # Of k wanted members in no order the last is to be expected at k / (k + 1) of the tar.
        counts = Counter(map(tar_number, missing)).values()
        download_bytes = int(sum(k / (k + 1) for k in counts) * IMAGES_PER_TAR * image_bytes)
    if missing and settings.source != "mirror":
        download_bytes += (int(max(missing)) + 1) * METADATA_BYTES_PER_ENTRY
    folder = next(path for path in [originals_dir, *originals_dir.parents] if path.exists())
    return DownloadPlan(len(missing), download_bytes, disk_bytes, shutil.disk_usage(folder).free)
