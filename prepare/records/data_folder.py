"""Where everything lies in a data folder."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from prepare.records.blur import LensBlur
from prepare.records.settings import Part


@dataclass(frozen=True)
class DataFolder:
    """A data folder, `data` by default: originals, matched pairs, and the records of both."""

    path: Path
    part: Part | None = None  # whose records are meant, where several machines make one set

    @property
    def originals(self) -> Path:
        """Holds one folder a source."""
        return self.path / "originals"

    @functools.cached_property
    def sharp(self) -> Path:
        """Holds the sharp pictures."""
        return self.path / "not_blurred_resized"

    @functools.cached_property
    def blurred(self) -> Path:
        """Holds one folder a blurred set."""
        return self.path / "blurred_resized"

    @property
    def manifest(self) -> Path:
        """Lists the images."""
        return self.path / f"manifest{self._of_part}.jsonl"

    @property
    def rejected(self) -> Path:
        """Lists the originals that could not be used."""
        return self.path / f"rejected{self._of_part}.jsonl"

    @property
    def _of_part(self) -> str:
        return f".{self.part}" if self.part else ""

    def sharp_path(self, image_id: str) -> Path:
        """The sharp picture of an image."""
        return self.sharp / f"{image_id}.jpg"

    def blurred_path(self, set_name: str, image_id: str) -> Path:
        """The blurred picture of an image in one set."""
        return self.blurred / set_name / f"{image_id}.jpg"

    def blur_to_make(self, blur: LensBlur) -> LensBlur:
        """The settings of the set that is made of those asked for: equal pictures, one set.

        A set that an older version named by settings that change nothing, or made by a recipe as it
        was then, stays the one meant.
        """
        from prepare.records.sets import read_kernel  # with numpy, which flags do without

        record = read_kernel(self.blurred / blur.name) if blur.recipe else None
        if record and record.blur.name == blur.name:
            return record.blur
        return blur if (self.blurred / blur.name).is_dir() else blur.without_idle

    def made_at_ns(self, image_id: str) -> int:
        """When the sharp picture was last written, in nanoseconds."""
        return os.stat(f"{self.sharp}/{image_id}.jpg").st_mtime_ns
