"""FFHQ's photographs, from the disk, Google Drive or the mirror."""

import contextlib
import queue
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from prepare import PrepareError
from prepare.ffhq.download import Client, DownloadError, fetch_file, host_of, read_growing
from prepare.ffhq.google_drive import METADATA_DRIVE_ID, drive_file_url
from prepare.ffhq.local_copy import MAX_IMAGE_BYTES, VerifiedFiles, check_image
from prepare.ffhq.metadata import (
    FACIAL_RECOGNITION_NOTICE,
    METADATA_BYTES_PER_ENTRY,
    Entry,
    FfhqSettings,
    is_template,
    read_entries,
    template_extension,
    wanted_ids,
    write_licenses,
)
from prepare.ffhq.mirror import IMAGE_BYTES, fetch_from_tar, groups_by_tar, mirror_bytes
from prepare.originals import Original
from prepare.records.progress import counted

PNG_BYTES = 1_273_000  # 89.1 GB / 70,000

Job = Callable[[], Iterable[Original]]


class FfhqDownload:
    """The photographs of FFHQ that are asked for: finds them on disk, downloads the others."""

    def __init__(
        self,
        settings: FfhqSettings,
        originals_dir: Path,
        num_images: int,
        done_ids: Collection[str] = (),
    ) -> None:
        """Looks what is there of the first `num_images` chosen ids, without `done_ids`.

        Everything lands in `originals_dir / "ffhq"`. SettingError if the ids cannot be read.
        """
        self.settings, self.files = settings, VerifiedFiles(originals_dir / "ffhq")
        self.problems: Counter[str] = Counter()  # sentences that say where, and why
        done_ids, ids = frozenset(done_ids), wanted_ids(settings.ids, num_images)
        self.num_chosen = len(ids)
        found = {i: self.files.find(i) for i in ids if i not in done_ids}
        self.at_hand = [original for original in found.values() if original]
        self.missing = dict.fromkeys(i for i in found if not found[i])  # in order

    def plan(self) -> tuple[int, int, int]:
        """How many images are not there yet, and the bytes to download and to store, estimated."""
        ids = [image_id for image_id in self.missing if not self.files.files(image_id)]
        if self.settings.source == "mirror":
            num_bytes = mirror_bytes(self.settings.mirror_url, ids, self.files.folder)
            return len(ids), num_bytes, len(ids) * IMAGE_BYTES
        disk_bytes = len(ids) * PNG_BYTES
        metadata_bytes = (int(max(ids, default="-1")) + 1) * METADATA_BYTES_PER_ENTRY
        return len(ids), disk_bytes + metadata_bytes, disk_bytes

    def originals(
        self,
        report: Callable[[str], None] = print,
        on_bytes: Callable[[int], object] = lambda num_bytes: None,
    ) -> Iterator[Original]:
        """The photographs: first those on disk, then the others as they arrive.

        `report` prints one line; `on_bytes` is called with the size of every block, in any thread.

        Raises:
            PrepareError: after all others came, if some are missing.
        """
        yield from self.at_hand
        if not self.missing:
            return
        source, mirror_url = self.settings.source, self.settings.mirror_url
        folder = self.files.folder
        folder.mkdir(parents=True, exist_ok=True)
        client = Client(self.settings, on_bytes)
        try:
            entries = {} if source == "mirror" else self.entries(client, report)
            unsure = [image_id for image_id in self.missing if self.files.files(image_id)]
            jobs = [partial(self.files.reverify, i, entries.get(i)) for i in unsure]
            yield from self.collect(client, "the disk", jobs)
            if self.missing and source != "mirror":
                yield from self.from_drive(client, entries)
            if self.missing and source == "ffhq":
                num_bytes = mirror_bytes(mirror_url, self.missing, folder)
                report(
                    f"{self.reasons()}; {len(self.missing)} images come from the mirror "
                    f"{host_of(mirror_url)}, which reads about {readable(num_bytes)}"
                )
            if self.missing and source != "drive":
                yield from self.from_mirror(client)
        finally:
            client.stop.set()
        if self.missing:
            advice = ", or use SOURCE=mirror" if source == "drive" else ""
            raise PrepareError(
                f"{self.num_chosen - len(self.missing)} of {self.num_chosen} images are kept in "
                f"{folder}, {len(self.missing)} are missing ({next(iter(self.missing))} first): "
                f"{self.reasons()}; run the same command again later: it continues from "
                f"here{advice}"
            )

    def entries(self, client: Client, report: Callable[[str], None]) -> dict[str, Entry]:
        """Metadata of the missing ids, as far as it can be had; their licenses are written."""
        settings, path = self.settings, self.files.folder / "ffhq-dataset-v2.json.part"
        base = FfhqSettings.drive_url if is_template(settings.drive_url) else settings.drive_url
        url = settings.metadata_url or drive_file_url(base, METADATA_DRIVE_ID)
        last, entries, trouble = max(self.missing), {}, ""
        try:
            for image_id, entry in read_entries(read_growing(client, url, path)):
                if image_id in self.missing and entry is not None:
                    entries[image_id] = entry
                if image_id == last:
                    break
        except DownloadError as error:
            trouble = error.reason
        except ValueError as error:
            trouble = f"it is damaged ({error})"
            path.unlink(missing_ok=True)
        if trouble:
            self.problems[f"FFHQ's metadata: {trouble}"] += 1
            report(
                f"FFHQ's metadata: {trouble}; {len(entries)} of {len(self.missing)} entries read, "
                "the other images have no license in LICENSES.csv and do not come from Drive"
            )
        if entries:
            write_licenses(path.with_name("LICENSES.csv"), entries.values())
        return entries

    def from_drive(self, client: Client, entries: dict[str, Entry]) -> Iterator[Original]:
        """Images that the metadata lists, from Drive or the address given in its place."""
        base, jobs = self.settings.drive_url, []
        for image_id in self.missing:
            if entry := entries.get(image_id):
                url = base if is_template(base) else drive_file_url(base, entry.file_id)
                jobs.append(partial(self.fetch_image, client, url, ".png", image_id, entry))
        if len(jobs) < len(self.missing):
            self.problems["FFHQ's metadata lacks some images"] += 1
        yield from self.collect(client, "Google Drive", jobs)

    def from_mirror(self, client: Client) -> Iterator[Original]:
        """Images from the mirror: one by one, or those of a tar together."""
        url = self.settings.mirror_url
        jobs: list[Job]
        if is_template(url):
            fetch = partial(self.fetch_image, client, url, template_extension(url))
            jobs = [partial(fetch, image_id) for image_id in self.missing]
        else:
            fetch = partial(fetch_from_tar, client, url, self.files)
            jobs = [partial(fetch, ids) for ids in groups_by_tar(self.missing)]
        yield from self.collect(client, "the mirror", jobs)

    def fetch_image(
        self, client: Client, url: str, extension: str, image_id: str, entry: Entry | None = None
    ) -> Iterator[Original]:
        """One image from an address that contains {id}; Drive's has a checksum."""
        path, expected = self.files.path_for(image_id, extension), entry.md5 if entry else None
        md5 = fetch_file(
            client,
            url.replace("{id}", image_id),
            path,
            check=lambda data: check_image(path.name, data, extension, expected),
            max_bytes=MAX_IMAGE_BYTES,
        )
        yield self.files.record(image_id, path, "drive" if entry else "mirror", md5)

    def collect(self, client: Client, host: str, jobs: Sequence[Job]) -> Iterator[Original]:
        """The results of jobs as they come; notes the reasons of failures."""
        for result in JobThreads(client, jobs).results():
            if isinstance(result, DownloadError):
                self.problems[f"{host}: {result.reason}"] += 1
            else:
                del self.missing[result.id]
                yield result

    def reasons(self) -> str:
        """Why photographs are missing, in half a line: the two commonest reasons."""
        reasons = [problem for problem, _ in self.problems.most_common(2)]
        return "; ".join(reasons) or "nothing was refused"


def fetched_originals(
    settings: FfhqSettings,
    originals_dir: Path,
    num_images: int,
    done_ids: Collection[str],
    keep: bool,
) -> Iterator[Original]:
    """FFHQ's photographs as they arrive, after printing how much is downloaded.

    Raises:
        PrepareError: before anything is fetched, if all are to be kept, and the disk is too small.
    """
    download = FfhqDownload(settings, originals_dir, num_images, done_ids)
    num_files, download_bytes, disk_bytes = download.plan()
    if num_files:
        there = next(path for path in (originals_dir, *originals_dir.parents) if path.exists())
        free_bytes = shutil.disk_usage(there).free
        print(FACIAL_RECOGNITION_NOTICE)
        print(
            f"{counted(num_files, 'photograph')} to download: about {readable(download_bytes)}; "
            f"{readable(disk_bytes)} on disk, {readable(free_bytes)} free"
        )
        if keep and disk_bytes > free_bytes:
            raise PrepareError(
                f"the disk of {originals_dir} has {readable(free_bytes)} free, and "
                f"{readable(disk_bytes)} are needed; ask for fewer (N=...), for another place "
                "(DATA=...), or remove each original after its pairs are made (KEEP=0)"
            )
    with tqdm(
        desc="download",
        unit="B",
        unit_scale=True,
        total=download_bytes or None,
        disable=None if num_files else True,
        leave=False,
    ) as progress:
        yield from download.originals(tqdm.write, progress.update)


class JobThreads:
    """Threads that do one job after the other, until too many in a row failed.

    They are daemons, unlike a ThreadPoolExecutor's: a silent server must not hold up Ctrl-C.
    """

    def __init__(self, client: Client, jobs: Sequence[Job]) -> None:
        self.jobs = iter(jobs)  # one for all threads: each takes the next job from it
        self.stop = client.stop
        self.failures_left = self.max_failures = client.settings.max_failures
        self.num_threads = min(client.settings.connections, len(jobs))
        # They run so far ahead of the caller, and no farther.
        self.queue: queue.Queue = queue.Queue(maxsize=2 * self.num_threads)

    def results(self) -> Iterator[Original | DownloadError]:
        """Each image as it comes, and why a job failed; raises whatever else was raised."""
        for _ in range(self.num_threads):
            threading.Thread(target=self.run, daemon=True).start()
        num_running = self.num_threads
        while num_running:
            result = self.queue.get()
            num_running -= result is None
            if isinstance(result, (Original, DownloadError)):
                yield result
            elif result is not None:
                raise result

    def run(self) -> None:
        """The work of each thread; it puts None at its end."""
        try:
            for job in self.jobs:
                if self.stop.is_set() or self.failures_left <= 0:
                    break
                try:
                    for original in job():
                        self.failures_left = self.max_failures
                        self.put(original)
                except DownloadError as error:
                    self.failures_left -= 1
                    self.put(error)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.put(error)
        self.put(None)

    def put(self, result: Original | BaseException | None) -> None:
        """Passes a result to the caller, unless the caller has ended."""
        while not self.stop.is_set():
            with contextlib.suppress(queue.Full):
                self.queue.put(result, timeout=0.1)
                return


def readable(num_bytes: int) -> str:
    """A number of bytes, for people."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"
