"""Throughput of our downloader beside curl's, on loopback: the same files, as many connections.

The server is a separate process on the same machine, so compare the rates only with each other. The
second line includes the MD5 of every file.
"""

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from prepare.ffhq.download import Client, fetch_file  # noqa: E402
from prepare.ffhq.metadata import FfhqSettings  # noqa: E402


def ours(
    url: str,
    folder: Path,
    num_files: int,
    connections: int,
    check: Callable[[bytes], str] = lambda data: "",
) -> None:
    """Fetches the files with this project's client."""
    client = Client(FfhqSettings())

    def fetch(number: int) -> str:
        path, most = folder / str(number), 1 << 30
        return fetch_file(client, f"{url}/plain/{number}", path, check=check, max_bytes=most)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(fetch, range(num_files)))


def ours_with_md5(url: str, folder: Path, num_files: int, connections: int) -> None:
    """Also takes the MD5 of each file."""
    ours(url, folder, num_files, connections, check=md5)


def md5(data: bytes) -> str:
    """Hexadecimal MD5 of a file's bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def curl(url: str, folder: Path, num_files: int, connections: int) -> None:
    """Fetches the files with curl."""
    command = ["curl", "--silent", "--no-progress-meter", "--fail", "--parallel"]
    command += ["--parallel-immediate", "--parallel-max", str(connections)]
    command += ["--output", f"{folder}/#1", f"{url}/plain/[0-{num_files - 1}]"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def curl_with_md5(url: str, folder: Path, num_files: int, connections: int) -> None:
    """Also takes the MD5 of each file, with coreutils."""
    curl(url, folder, num_files, connections)
    paths = [str(path) for path in folder.iterdir()]
    subprocess.run(["md5sum", *paths], check=True, stdout=subprocess.DEVNULL)


def seconds(fetch: Callable[..., None], url: str, num_files: int, connections: int) -> float:
    """How long one contestant takes for all files."""
    with tempfile.TemporaryDirectory() as folder:
        before = time.perf_counter()
        fetch(url, Path(folder), num_files, connections)
        elapsed_s = time.perf_counter() - before
        assert len(list(Path(folder).iterdir())) == num_files
    return elapsed_s


def main() -> None:
    """Prints the rates of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-files", type=int, default=256)
    parser.add_argument("--num-bytes", type=int, default=1_300_000, help="of each file")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if shutil.which("curl") is None:
        print("curl is not installed: nothing to compare with")
        return
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "ffhq_server.py")]
    command += [str(arguments.num_files), str(arguments.num_bytes)]
    megabytes = arguments.num_files * arguments.num_bytes / 1e6
    contestants = (curl, ours, curl_with_md5, ours_with_md5)
    rates: dict[str, list[float]] = {fetch.__name__: [] for fetch in contestants}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            for _ in range(arguments.rounds):  # in turns, so that all see the same machine
                for fetch in contestants:
                    elapsed_s = seconds(fetch, url, arguments.num_files, arguments.connections)
                    rates[fetch.__name__].append(megabytes / elapsed_s)
        finally:
            server.terminate()
    what = f"{arguments.num_files} files of {arguments.num_bytes / 1e6:.1f} MB"
    print(
        f"{what}, {arguments.connections} connections, medians of {arguments.rounds} rounds, MB/s"
    )
    print("                     curl --parallel   ours   ours / curl")
    for label, suffix in (("transfer alone", ""), ("transfer and MD5", "_with_md5")):
        theirs, own = rates[f"curl{suffix}"], rates[f"ours{suffix}"]
        ratio = statistics.median(a / b for a, b in zip(own, theirs, strict=True))  # by round
        rate = [statistics.median(values) for values in (theirs, own)]
        print(f"{label:20s} {rate[0]:15.0f} {rate[1]:6.0f} {ratio:13.2f}")


if __name__ == "__main__":
    main()
