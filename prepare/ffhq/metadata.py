"""FFHQ's ids, metadata and licenses, and all settings of its download.

The metadata is one JSON object of 268 MB, keyed "0".."69999" in order. Nothing here uses the
network, so that `--help` loads little.
"""

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from prepare.records.data_folder import plain_cell
from prepare.records.files import write_text
from prepare.records.jsonl import read_whole
from prepare.records.settings import check_choices, explain_damage, normalize, require, setting

NUM_FFHQ_IMAGES = 70_000
EXTENSIONS = (".png", ".webp", ".jpg")  # NVIDIA's own, the mirror's, another mirror's
MAX_IDS_BYTES = 1 << 24  # of a file of ids
METADATA_BYTES_PER_ENTRY = 4_000  # 267,793,842 bytes / 70,000 entries, and a little more
LONGEST_ENTRY = 1 << 20  # letters; one of FFHQ's has 4000
COUNT, WAIT_S, LIMIT_S = (1, 1000), (0, 86_400), (0.01, 86_400)  # of settings
LICENSE_COLUMNS = ("id", "author", "license", "license_url", "photo_url", "photo_title")

FACIAL_RECOGNITION_NOTICE = (
    "FFHQ is CC BY-NC-SA 4.0 (NVIDIA), and each photograph keeps the license of its author "
    "(LICENSES.csv); it is not to be used for developing or improving facial recognition."
)


@dataclass(frozen=True)
class FfhqSettings:
    """Where FFHQ is fetched from, and how; source "ffhq" is Drive, then the mirror."""

    num_attempts: int = setting(
        6, "failures in a row, with less than 1 MiB between them, before giving up", COUNT
    )
    backoff_s: float = setting(1.0, "wait after the first failure, in s; doubles with each", WAIT_S)
    max_backoff_s: float = setting(60.0, "longest wait, in s; Retry-After may ask for more", WAIT_S)
    read_timeout_s: float = setting(30.0, "silence that ends a connection, in s", LIMIT_S)
    deadline_s: float = setting(900.0, "time for one image, or 1 MiB of a long file, in s", LIMIT_S)
    source: Literal["ffhq", "drive", "mirror"] = setting("ffhq", "host to ask", flag=False)
    ids: str | None = setting(None, '"60000-60999", "7,42,100-199" or a file of ids; None: all')
    drive_url: str = setting(
        "https://drive.google.com", "address, or a template: https://host/{id}.png"
    )
    mirror_url: str = setting(
        "https://huggingface.co/datasets/gaunernst/ffhq-1024-wds/resolve/"
        "d74f1f1f59e3bbe975bee29872b9bef827314577",
        "base address of the archives, or a template: https://host/{id}.webp",
    )
    metadata_url: str | None = setting(None, "of ffhq-dataset-v2.json; None: NVIDIA's on Drive")
    connections: int = setting(32, "largest number of parallel connections", COUNT)
    max_failures: int = setting(3, "failures in a row after which a host is given up", COUNT)

    def __post_init__(self) -> None:
        check_choices(self)
        normalize(self)
        for name in ("drive_url", "mirror_url", "metadata_url"):
            url = getattr(self, name)
            expected = "an address that begins with https:// or http://"
            is_address = url is None or url.startswith(("https://", "http://"))
            # Where it is none, nobody knows what is a login.
            require(is_address, name, expected, url and url.rpartition("@")[2])
        url = self.mirror_url
        is_known = not is_template(url) or template_extension(url) in EXTENSIONS
        expected = f"an address that ends in one of {', '.join(EXTENSIONS)}"
        require(is_known, "mirror_url", expected, without_login(url))


def without_login(text: str) -> str:
    """A text as it may be shown and kept: no address in it with a user's name and password."""
    return re.sub(r"(https?://)[^/?#\s]*@", r"\1", text)


def is_template(mirror_url: str) -> bool:
    """Whether a mirror's address names single images, as https://host/{id}.png does."""
    return "{id}" in mirror_url


def template_extension(mirror_url: str) -> str:
    """Ending of the images' addresses, in lower case."""
    return PurePosixPath(mirror_url.partition("?")[0]).suffix.lower()


@dataclass(frozen=True)
class Entry:
    """The metadata of one image."""

    file_id: str  # on Google Drive
    md5: str
    license: list[str]  # whose photograph it is: cells of a row of LICENSE_COLUMNS


def wanted_ids(ids: str | None, num_images: int) -> list[str]:
    """The first `num_images` of the chosen ids, without doubles, in the order given.

    Args:
        ids: None for all, else "60000-60999", "7,42,100-199", or a path to a file of such words.

    Raises:
        SettingError: if it is neither, or an id is out of range.
        DamagedRecordError: if the file is no text, too long, or cannot be read.
    """
    if ids is None:
        return [f"{number:05d}" for number in range(min(num_images, NUM_FFHQ_IMAGES))]
    text = ids
    if re.fullmatch(r"[\d,\s-]+", ids) is None:
        hint = "name a file of ids"
        with explain_damage(Path(ids), hint):
            content = read_whole(Path(ids), hint, MAX_IDS_BYTES)
            text = (content or b"").decode()
        expected = "a list like 7,60000-60999 or a file of ids"
        require(content is not None, "ids", expected, repr(ids))
    chosen: dict[str, None] = {}
    for word in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?(?:\.png)?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        is_right = first <= last < NUM_FFHQ_IMAGES
        require(is_right, "ids", "ids or ranges of ids between 0 and 69999", f"{word[:40]!r}")
        chosen.update((f"{number:05d}", None) for number in range(first, last + 1))
    return list(itertools.islice(chosen, num_images))


def read_entries(blocks: Iterable[bytes]) -> Iterator[tuple[str, Entry | None]]:
    """(id, entry) of each image that the metadata names, in the metadata's order.

    Python's own parser reads each entry, which limits its depth. An entry in another form than
    NVIDIA's is None. Raises ValueError after the last complete entry if the rest is damaged.
    """
    key = re.compile(r'\s*[{,]\s*"([0-9]{1,5})"\s*:\s*(?=\{)')
    # As float: a number of any length is one then.
    parser = json.JSONDecoder(parse_int=float)
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text = ""
    for block in blocks:
        text += decode(block)
        start = 0
        while match := key.match(text, start):
            try:
                value, start = parser.raw_decode(text, match.end())
            except json.JSONDecodeError:  # it is not whole yet
                break
            except RecursionError as error:
                raise ValueError("nested too deeply") from error
            yield match[1].zfill(5), entry_of(match[1].zfill(5), value)
        text = text[start:]
        if len(text) > LONGEST_ENTRY:
            raise ValueError("an entry is too long")
    if text.strip() not in ("}", "{}"):
        raise ValueError("it ends in the middle")


def entry_of(image_id: str, value: Any) -> Entry | None:
    """An entry of the metadata; None if it is not as NVIDIA writes them."""
    try:
        image, metadata = value["image"], value["metadata"] | {"id": image_id}
        [file_id] = re.findall(r"[?&]id=([\w-]+)", image["file_url"])[:1]
        cells = (str(metadata.get(name, "")) for name in LICENSE_COLUMNS)
        # JSON may hold half of a surrogate pair, which no file takes.
        license = [plain_cell(cell.encode("utf-8", "replace").decode()) for cell in cells]
        return Entry(file_id, str(image["file_md5"]), license)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def write_licenses(path: Path, entries: Iterable[Entry]) -> None:
    """Adds the licenses of `entries` to a CSV file, sorted by id; the file is replaced as a whole.

    DamagedRecordError if the file that is there is no such table.
    """
    hint = "move it away; the next download writes another"
    with explain_damage(path, hint):
        text = (read_whole(path, hint) or b"").decode()
        lines = csv.reader(io.StringIO(text, newline=""))
        rows = {row[0]: row for row in lines if len(row) == len(LICENSE_COLUMNS)}
    rows.pop("id", None)
    rows |= {entry.license[0]: entry.license for entry in entries}
    table = io.StringIO(newline="")
    csv.writer(table).writerows([LICENSE_COLUMNS, *(rows[image_id] for image_id in sorted(rows))])
    if table.getvalue() != text:
        write_text(path, table.getvalue())
