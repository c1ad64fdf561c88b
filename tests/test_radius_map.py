"""The map of the blur, and the line about it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prepare.photographs.writer import source_of
from train.restore.radius_map import colors_of, described, drawn, scale_end, write_map
from train.restore.scales import Seen
from train.restore.targets import NothingRestoredError, fingerprint, plan


def seen_of(radius_px: np.ndarray, sureness: float = 1.0) -> Seen:
    radius_px = radius_px.astype(np.float32)
    return Seen(radius_px, np.full_like(radius_px, sureness))


def test_colors_are_viridis() -> None:
    ends = colors_of(np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(ends, [[68, 1, 84], [33, 145, 140], [253, 231, 37]])


@pytest.mark.parametrize(("highest", "end"), [(0.0, 4), (4.0, 4), (4.1, 8), (17.5, 20), (96, 96)])
def test_the_scale_ends_on_whole_quarters(highest: float, end: int) -> None:
    assert scale_end(highest) == end


def test_a_place_has_the_color_of_its_radius_on_the_scale() -> None:
    radius_px = np.zeros((200, 160))
    radius_px[:, 80:] = 8
    image = np.asarray(drawn(seen_of(radius_px)))
    assert image.shape == (4 * 200 + 96, 4 * 160, 3)
    assert tuple(image[400, 100]) == (68, 1, 84)
    assert tuple(image[400, 500]) == (253, 231, 37)
    bar = image[800 + 25]
    assert tuple(bar[24]) == (68, 1, 84)
    assert tuple(bar[640 - 25]) == (253, 231, 37)
    gray = np.asarray(drawn(seen_of(radius_px, 0.0)))
    assert tuple(gray[400, 500]) == (128, 128, 128)
    half = np.asarray(drawn(seen_of(radius_px, 0.6)))
    assert (gray[840:] == half[840:]).all()  # what gray is, is told
    assert (image[840:] != half[840:]).any()  # where there is any


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1)])
def test_maps_of_odd_photographs(shape: tuple[int, int]) -> None:
    image = drawn(seen_of(np.full(shape, 3.0)))
    assert min(image.size) > 90
    assert max(image.size) <= 1600 + 96


def test_the_line_tells_the_range_and_what_is_not_certain() -> None:
    seen = seen_of(np.linspace(0, 10, 1001)[None])
    assert described(seen) == "blur of 0.2 to 9.8 pixels in radius, half of it above 5.0"
    seen.sureness[:, :100] = 0.2
    assert described(seen).endswith("; less changed where that is not certain (10 % of it)")


def test_only_our_own_map_of_the_same_photograph_is_replaced(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(photo)
    [target] = plan([photo], tmp_path / "out", radius_map=True)
    assert target.radius_map == tmp_path / "out" / "a-map.png"
    write_map(target.radius_map, seen_of(np.ones((8, 10))), fingerprint(photo))
    assert source_of(target.radius_map) == fingerprint(photo)
    plan([photo], tmp_path / "out", radius_map=True)
    Image.new("RGB", (41, 30)).save(photo)
    with pytest.raises(NothingRestoredError, match=r"a-map\.png is there, and no earlier result"):
        plan([photo], tmp_path / "out", radius_map=True)
    Image.new("RGB", (4, 3)).save(tmp_path / "a-map.png")
    with pytest.raises(NothingRestoredError, match="overwritten"):
        plan([photo, tmp_path / "a-map.png"], tmp_path, radius_map=True)
