"""Fetches FFHQ from a test server, as a process of its own that can be killed.

Called with the originals folder, the number of images, and FfhqSettings as JSON; prints each id.
"""

import json
import sys
from pathlib import Path

from prepare.ffhq.source import FfhqSettings, ffhq_originals
from prepare.records.files import only_writer


def main() -> None:
    folder, num_images, settings = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    with only_writer(folder, "fetches"):  # as a command does, which so sweeps up after killed ones
        for original in ffhq_originals(FfhqSettings(**settings), folder, num_images):
            print(original.id, original.source, flush=True)


if __name__ == "__main__":
    main()
