"""Where FFHQ is fetched from. Apart from the fetching, so that `--help` loads little."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from prepare.ffhq.retry import RetryPolicy
from prepare.records.settings import check_choices, require, setting

NUM_FFHQ_IMAGES = 70_000
EXTENSIONS = (".png", ".webp", ".jpg")  # NVIDIA's own, the mirror's, another mirror's


def is_template(mirror_url: str) -> bool:
    """Whether a mirror's address names single images, as https://host/{id}.png does."""
    return "{id}" in mirror_url


def template_extension(mirror_url: str) -> str:
    """Ending of the images' addresses, in lower case."""
    return PurePosixPath(mirror_url.partition("?")[0]).suffix.lower()


@dataclass(frozen=True)
class FfhqSettings(RetryPolicy):
    """Where FFHQ is fetched from, and how; source "ffhq" is Drive, then the mirror."""

    source: Literal["ffhq", "drive", "mirror"] = setting("ffhq", "host to ask", flag=False)
    ids: str | None = setting(None, '"60000-60999", "7,42,100-199" or a file of ids; None is all')
    drive_url: str = setting("https://drive.google.com", "or a template: https://host/{id}.png")
    mirror_url: str = setting(
        "https://huggingface.co/datasets/gaunernst/ffhq-1024-wds/resolve/"
        "d74f1f1f59e3bbe975bee29872b9bef827314577",
        "base address of the tars, or template: https://host/{id}.webp",
    )
    metadata_url: str | None = setting(None, "ffhq-dataset-v2.json; None is NVIDIA's own on Drive")
    connections: int = setting(32, "parallel connections at most")
    max_failures: int = setting(
        3, "failures in a row after which a host is not asked for more images"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self)
        for name in ("connections", "max_failures"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("drive_url", "mirror_url", "metadata_url"):
            url = getattr(self, name)
            holds = url is None or url.startswith(("https://", "http://"))
            require(holds, name, "an address that begins with https:// or http://", url)
        is_known = template_extension(self.mirror_url) in EXTENSIONS
        expected = f"an address that ends in one of {', '.join(EXTENSIONS)}"
        require(
            is_known or not is_template(self.mirror_url), "mirror_url", expected, self.mirror_url
        )
