"""FFHQ's photographs, from wherever they can be had: the disk, Google Drive, the mirror."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from prepare import PrepareError
from prepare.ffhq.download import fetch_file
from prepare.ffhq.google_drive import drive_file_url, open_drive_file
from prepare.ffhq.metadata import (
    METADATA_DRIVE_ID,
    Entry,
    fetch_entries,
    wanted_ids,
    write_licenses,
)
from prepare.ffhq.mirror import (
    fetch_from_tar,
    fetch_from_template,
    tar_number,
)
from prepare.ffhq.request import Client, DownloadError
from prepare.ffhq.settings import FfhqSettings, is_template
from prepare.ffhq.threads import in_threads
from prepare.ffhq.verified_files import VerifiedFiles, check_image
from prepare.originals import Original


class FfhqError(PrepareError):
    """Not every wanted photograph could be had."""


@dataclass
class _Run:
    """What the steps of one run share."""

    settings: FfhqSettings
    client: Client
    checked: VerifiedFiles
    missing: dict[str, None]  # ids still to be had, in order
    problems: Counter = field(default_factory=Counter)  # of sentences that say where, and why


def ffhq_originals(
    settings: FfhqSettings,
    originals_dir: Path,
    num_images: int,
    done_ids: Collection[str] = (),
    report: Callable[[str], None] = print,
    on_bytes: Callable[[int], None] = lambda num_bytes: None,
) -> Iterator[Original]:
    """The wanted photographs: first those at hand, then the others as they are fetched.

    Args:
        originals_dir: data/originals; everything lands in its folder ffhq.
        num_images: how many of the chosen ids, from the first.
        done_ids: ids that are not wanted any more.
        report: prints one line.
        on_bytes: told of every block that arrives, from any thread.

    Raises:
        FfhqError: after all others came, if some are missing.
        SettingError: if `settings.ids` cannot be read.
        OSError: if the disk is full or cannot be written.
    """
    folder = originals_dir / "ffhq"
    checked = VerifiedFiles(folder)
    missing: dict[str, None] = {}
    done_ids = frozenset(done_ids)
    chosen = wanted_ids(settings.ids, num_images)
    for image_id in chosen:
        if image_id in done_ids:
            continue
        original = checked.find(image_id)
        if original is None:
            missing[image_id] = None
        else:
            yield original
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with Client(settings, on_bytes) as client:
        run = _Run(settings, client, checked, missing)
        entries = {} if settings.source == "mirror" else _entries(run, report)
        yield from _from_disk(run, entries)
        if missing and settings.source != "mirror":
            yield from _from_drive(run, entries)
        if missing and settings.source != "drive":
            if settings.source == "ffhq":
                host = urlsplit(settings.mirror_url).netloc
                report(f"{_told(run)}; {len(missing)} images are fetched from the mirror {host}")
            yield from _from_mirror(run)
        if missing:
            raise FfhqError(_what_is_missing(run, len(chosen)))


def _entries(run: _Run, report: Callable[[str], None]) -> dict[str, Entry]:
    """Metadata of the missing ids, as far as it can be had; their licenses go to LICENSES.csv."""
    settings, folder = run.settings, run.checked.folder
    base = FfhqSettings.drive_url if "{id}" in settings.drive_url else settings.drive_url
    url = settings.metadata_url or drive_file_url(base, METADATA_DRIVE_ID)
    try:
        entries = fetch_entries(run.client, url, folder, run.missing, report)
    except DownloadError as error:
        run.problems[f"FFHQ's metadata: {error.reason}"] += 1
        report(
            f"FFHQ's metadata cannot be had ({error.reason}): Drive is left out, LICENSES.csv too"
        )
        return {}
    write_licenses(folder / "LICENSES.csv", entries.values())
    return entries


def _from_disk(run: _Run, entries: dict[str, Entry]) -> Iterator[Original]:
    """Files that are there but not in the record: a killed run's last ones, or someone's own."""

    def check(ids: Sequence[str]) -> Iterator[Original]:
        entry = entries.get(ids[0])
        original = run.checked.reverify(ids[0], entry.expected if entry else None)
        if original is not None:
            yield original

    unsure = [[image_id] for image_id in run.missing if run.checked.files(image_id)]
    yield from _collect(run, "the disk", check, unsure)


def _from_drive(run: _Run, entries: dict[str, Entry]) -> Iterator[Original]:
    base = run.settings.drive_url

    def fetch(ids: Sequence[str]) -> Iterator[Original]:
        image_id, entry = ids[0], entries[ids[0]]
        path = run.checked.path_for(image_id, ".png")
        md5 = fetch_file(
            run.client,
            base.replace("{id}", image_id)
            if "{id}" in base
            else drive_file_url(base, entry.file_id),
            path,
            check=lambda part: check_image(part, entry.expected, ".png"),
            num_bytes=entry.expected.num_bytes,
            open_body=open_drive_file,
        )
        yield run.checked.record(image_id, path, "drive", md5)

    if entries and any(image_id not in entries for image_id in run.missing):
        run.problems["FFHQ's metadata lacks some images"] += 1
    listed = [[image_id] for image_id in run.missing if image_id in entries]
    yield from _collect(run, "Google Drive", fetch, listed)


def _from_mirror(run: _Run) -> Iterator[Original]:
    fetch = fetch_from_template if is_template(run.settings.mirror_url) else fetch_from_tar
    groups = [[image_id] for image_id in run.missing]
    if fetch is fetch_from_tar:
        groups = [list(ids) for _, ids in groupby(sorted(run.missing), key=tar_number)]

    def work(ids: Sequence[str]) -> Iterator[Original]:
        return fetch(run.client, run.settings.mirror_url, ids, run.checked)

    yield from _collect(run, "the mirror", work, groups)


def _collect(
    run: _Run,
    where: str,
    work: Callable[[Sequence[str]], Iterator[Original]],
    groups: Sequence[Sequence[str]],
) -> Iterator[Original]:
    """What `work` brings for groups of ids, in threads; failures in a row end the asking."""
    failures_in_a_row = 0  # counted where they happen: the caller may be far behind

    def groups_to_ask() -> Iterator[Sequence[str]]:
        for ids in groups:
            if failures_in_a_row >= run.settings.max_failures:
                return
            yield ids

    def ask(ids: Sequence[str]) -> Iterator[Original]:
        nonlocal failures_in_a_row
        try:
            for original in work(ids):
                failures_in_a_row = 0
                yield original
        except DownloadError:
            failures_in_a_row += 1
            raise

    num_threads = min(run.settings.connections, len(groups))
    for _, result in in_threads(ask, groups_to_ask(), num_threads, run.client.stop, DownloadError):
        if not isinstance(result, Original):
            assert isinstance(result, DownloadError)
            run.problems[f"{where}: {result.reason}"] += 1
        else:
            del run.missing[result.id]
            yield result


def _told(run: _Run) -> str:
    """Why photographs are missing, in half a line: the two commonest reasons."""
    return "; ".join(problem for problem, _ in run.problems.most_common(2)) or "nothing was refused"


def _what_is_missing(run: _Run, num_chosen: int) -> str:
    kept, first = num_chosen - len(run.missing), next(iter(run.missing))
    advice = "run the same command again later: it goes on from here"
    if run.settings.source == "drive":
        advice += ", or take SOURCE=mirror"
    return (
        f"{kept} of {num_chosen} images are kept in {run.checked.folder}, {len(run.missing)} are "
        f"missing ({first} first): {_told(run)}; {advice}"
    )
