"""What all pages share: names of methods and scores, templates, pictures as URLs."""

import base64
import io
from pathlib import Path

import jinja2
from PIL import Image

from prepare.records.files import open_regular
from prepare.records.settings import explain_damage

MOST_SIDE_PX = 512  # larger pictures are reduced for the page

METHOD_NAMES = {
    "blurred": "blurred, the input",
    "restored": "restored by this run",
    "richardson_lucy": "Richardson-Lucy, told the true PSF",
    "wiener": "Wiener, told the true PSF",
    "unsharp_mask": "unsharp mask",
}
METRIC_NAMES = {
    "psnr_db": ("PSNR, dB", 2),
    "ssim": ("SSIM", 3),
    "haarpsi": ("HaarPSI", 3),
    "detail_returned": ("detail back", 3),
    "detail_invented": ("invented", 3),
    "ripples": ("ripples", 2),
}
RIPPLES_NOTE = (
    "Ripples: fine waves and halos beyond those of both the input and the sharp picture, where the "
    "sharp one is smooth, as root mean square in levels; 0 for the input and for the truth."
)


def template(name: str, *folders: Path) -> jinja2.Template:
    """A template of these folders, or else of this one; what is put into it is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "method_names": METHOD_NAMES,
        "metric_names": METRIC_NAMES,
        "ripples_note": RIPPLES_NOTE,
    }
    return templates.get_template(name)


def data_url(path: Path, most_side_px: int = MOST_SIDE_PX) -> str:
    """A picture as a URL that holds it: as stored, or reduced where larger than so many pixels.

    Raises:
        DamagedRecordError: if it is damaged.
        OSError: if it cannot be read; names it.
    """
    with open_regular(path) as file:
        content = file.read()
    kind = {".jpg": "jpeg", ".png": "png"}[path.suffix]
    hint = "remove it, and run the command that made it again"
    with (
        explain_damage(path, hint, OSError, SyntaxError, Image.DecompressionBombError),
        Image.open(io.BytesIO(content)) as image,
    ):
        if max(image.size) > most_side_px:
            image.thumbnail((most_side_px, most_side_px))
            reduced = io.BytesIO()
            image.convert("RGB").save(reduced, "JPEG", quality=92, subsampling=0)
            content, kind = reduced.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
