"""The picture of the studio in README; from the root, with PYTHONPATH=.:tests

.venv/bin/python -m helpers.studio_picture docs/studio.jpg
"""

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from helpers.browser import Browser
from helpers.command_line import run
from helpers.studio import RunningStudio

SETTINGS = {"radius_px": 26, "blades": 6, "curvature": 20, "brightness": 12, "threshold": 225}
FILL = """
for (const [name, value] of Object.entries(%s)) {
  const each = document.getElementById(name);
  each.value = value;
  each.dispatchEvent(new Event("input", {bubbles: true}));
}
"""


def main() -> None:
    """Draws a portrait, opens the page, sets a blur, and writes what the window shows."""
    path = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that every place has its default, as a reader's will
        run("dataset", "--num-images", 1, "--source", "sample", cwd=folder)
        with RunningStudio(None) as studio, Browser(1280, 900) as browser:
            browser.open(studio.address)
            browser.press("#original", "sample-0-00000\n")
            browser.wait_for("return document.querySelector('#blurred').naturalWidth")
            browser.run(FILL % SETTINGS)
            command = "return document.querySelector('#blur-command').textContent"
            browser.wait_for(f"{command}.includes('THRESHOLD=225')")
            browser.run("document.activeElement.blur()")
            picture = Image.open(io.BytesIO(browser.picture())).convert("RGB")
    picture.save(path, quality=90, subsampling=0)


if __name__ == "__main__":
    main()
