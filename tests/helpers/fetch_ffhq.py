"""Fetches FFHQ from a test server, as a process of its own that can be killed.

Called with the originals folder, the number of images, and FfhqSettings as JSON; prints each id.
"""

import json
import sys
from pathlib import Path

from prepare.ffhq.source import FfhqSettings, ffhq_originals


def main() -> None:
    folder, num_images, settings = sys.argv[1:]
    for original in ffhq_originals(
        FfhqSettings(**json.loads(settings)), Path(folder), int(num_images)
    ):
        print(original.id, original.source, flush=True)


if __name__ == "__main__":
    main()
