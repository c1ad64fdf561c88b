"""Fetches FFHQ from a test server, as a process of its own that can be killed.

Called with the originals folder, the number of images, and FfhqSettings as JSON; prints each id.
"""

import json
import sys
from pathlib import Path

from prepare.ffhq.metadata import FfhqSettings
from prepare.ffhq.source import FfhqDownload
from prepare.records.files import only_writer


def main() -> None:
    folder, num_images, settings = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    with only_writer(folder, "fetches"):  # as a command does, which so sweeps up after killed ones
        for original in FfhqDownload(FfhqSettings(**settings), folder, num_images).originals():
            print(original.id, original.source, flush=True)


if __name__ == "__main__":
    main()
