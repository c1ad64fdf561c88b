"""Restoring photographs: what is kept in files, and what goes wrong with them."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from train.dataset import write_picture
from train.restore.photographs import deblur
from train.restore.targets import NothingRestoredError, plan


class StandIn:
    """What an engine is to those who restore: a change of pictures in -1..1."""

    notes: ClassVar = {"multiple": "4", "weights": "none"}
    tells_radius = False

    def __init__(self, correction: Callable[[np.ndarray], np.ndarray]) -> None:
        self.correction = correction


NOTHING = StandIn(np.zeros_like)
NEGATIVE = StandIn(lambda blurred: -2 * blurred)


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.uniform(0, 255, (333, 518, 3)), (2, 2, 0))
    return (255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


def test_keeps_exif_profile_resolution_and_turns_upright(tmp_path: Path, photo: np.ndarray) -> None:
    from PIL import ImageCms

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo)
    image.save(tmp_path / "a.jpg", exif=exif, icc_profile=profile, dpi=(300, 300), quality=100)
    deblur(NOTHING, plan([tmp_path / "a.jpg"], tmp_path / "out"))
    with Image.open(tmp_path / "out" / "a.png") as result:
        assert result.size == (333, 518)
        assert "srgb" in result.info  # to which the profile's colors were converted
        assert result.getexif()[0x010F] == "Maker"
        assert 0x0112 not in result.getexif()
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        difference = np.asarray(result).astype(int) - np.rot90(photo, -1)
    assert np.abs(difference).mean() < 4


def test_keeps_transparency_and_grayness(tmp_path: Path, photo: np.ndarray) -> None:
    alpha = np.tile(np.arange(518) % 256, (333, 1)).astype(np.uint8)
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(photo[..., 0]).save(tmp_path / "gray.png")
    deblur(NEGATIVE, plan([tmp_path], tmp_path / "out"))
    result = np.asarray(Image.open(tmp_path / "out" / "rgba.png"))
    assert np.array_equal(result[..., 3], alpha)
    assert np.array_equal(result[..., :3], 255 - photo)
    gray = Image.open(tmp_path / "out" / "gray.png")
    assert gray.mode == "L"
    assert np.array_equal(np.asarray(gray), 255 - photo[..., 0])


def test_16_bits_stay_16(tmp_path: Path) -> None:
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    deblur(NOTHING, plan([tmp_path / "deep.png"], tmp_path / "out"))
    result = np.asarray(Image.open(tmp_path / "out" / "deep.png"))
    assert result.dtype.itemsize >= 2
    np.testing.assert_array_equal(result, deep)


def test_says_what_it_drops(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    deblur(NOTHING, plan([tmp_path / "two.gif"], tmp_path / "out"))
    assert "two.gif: not kept: 1 further frames" in capsys.readouterr().out
    frames[0].save(tmp_path / "one.jpg", xmp=b"<x:xmpmeta/>", comment=b"seen")
    deblur(NOTHING, plan([tmp_path / "one.jpg"], tmp_path / "out"))
    assert "one.jpg: not kept: XMP, a comment" in capsys.readouterr().out


def test_only_our_own_results_of_the_same_photograph_are_replaced(
    tmp_path: Path, photo: np.ndarray
) -> None:
    out = tmp_path / "out"
    write_picture(tmp_path / "one" / "IMG_1.jpg", photo)
    write_picture(tmp_path / "two" / "IMG_1.jpg", 255 - photo)
    one, two = ([tmp_path / name / "IMG_1.jpg"] for name in ("one", "two"))
    for _ in range(2):  # again is right
        deblur(NOTHING, plan(one, out, compare=True))
    with pytest.raises(NothingRestoredError, match="no earlier result of"):
        plan(two, out)
    for name in ("IMG_1.png", "IMG_1-compare.jpg"):
        write_picture(tmp_path / "mine" / name, photo)  # the user's own
        with pytest.raises(NothingRestoredError, match=f"{name} is there, and no earlier result"):
            plan(one, tmp_path / "mine", compare=True)
        (tmp_path / "mine" / name).unlink()
    write_picture(tmp_path / "in" / "a.png", photo)
    write_picture(tmp_path / "in" / "a-compare.jpg", photo)
    with pytest.raises(NothingRestoredError, match="overwritten"):
        plan([tmp_path / "in"], tmp_path / "in", compare=True)


def test_what_is_made_is_not_made_again_unless_it_would_differ(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_picture(tmp_path / name, photo)
    out = tmp_path / "out"

    def made_again(engine: StandIn = NOTHING, compare: bool = True, **wanted: float) -> list[str]:
        before = {path.name: path.stat().st_ino for path in out.glob("*.png")}
        deblur(engine, plan([tmp_path], out, compare=compare), **wanted)
        return sorted(n for n, ino in before.items() if (out / n).stat().st_ino != ino)

    assert made_again() == []  # all are new
    (out / "b-compare.jpg").unlink()  # as if stopped before it was written
    assert made_again() == ["b.png"]
    assert capsys.readouterr().out.count("a.jpg: restored before") == 1
    assert made_again(compare=False) == []
    assert made_again(strength=0.5) == ["a.png", "b.png"]
    assert made_again(strength=0.5, detail=0.5) == ["a.png", "b.png"]
    other = StandIn(np.zeros_like)
    other.notes = NOTHING.notes | {"weights": "others"}
    assert made_again(other) == ["a.png", "b.png"]
    write_picture(tmp_path / "c.png", photo)
    assert made_again(other) == []


def test_a_result_whose_name_would_be_too_long_is_named_and_the_rest_done(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    long = "l" * 250
    for name in (f"{long}.jpg", "z.jpg"):
        write_picture(tmp_path / "z.jpg", photo)
        (tmp_path / "z.jpg").replace(tmp_path / name)
    with pytest.raises(NothingRestoredError, match="1 of 2 could not be restored"):
        deblur(NOTHING, plan([tmp_path], tmp_path / "out", compare=True))
    assert "the name of a result would be too long" in capsys.readouterr().out
    assert (tmp_path / "out" / "z-compare.jpg").exists()


@pytest.mark.parametrize(("strength", "expected"), [(0.0, 100), (0.5, 128), (1.0, 155)])
def test_strength_blends(tmp_path: Path, strength: float, expected: int) -> None:
    write_picture(tmp_path / "a.png", np.full((30, 40, 3), 100, np.uint8))
    deblur(NEGATIVE, plan([tmp_path / "a.png"], tmp_path / "out"), strength=strength)
    assert np.all(np.asarray(Image.open(tmp_path / "out" / "a.png")) == expected)


def test_side_by_side(tmp_path: Path, photo: np.ndarray) -> None:
    write_picture(tmp_path / "wide.png", photo)
    write_picture(tmp_path / "tall.png", np.rot90(photo))
    deblur(NEGATIVE, plan([tmp_path], tmp_path / "out", compare=True))
    assert Image.open(tmp_path / "out" / "wide-compare.jpg").size == (518, 666)
    assert Image.open(tmp_path / "out" / "tall-compare.jpg").size == (666, 518)


def test_a_corrupt_file_is_reported_and_the_rest_done(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a.png", "c.png"):
        write_picture(tmp_path / name, photo)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    said = r"2 of 4 could not be restored \(b.jpg, d.png\), see above; the others are done"
    with pytest.raises(NothingRestoredError, match=said):
        deblur(NOTHING, plan([tmp_path], tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    assert "b.jpg: cannot be read (no image, or of a kind not supported)" in capsys.readouterr().out


def test_inputs_are_never_overwritten(tmp_path: Path, photo: np.ndarray) -> None:
    write_picture(tmp_path / "a.png", photo)
    write_picture(tmp_path / "sub" / "a.jpg", photo)
    for inputs in ([tmp_path / "a.png"], [tmp_path / "sub" / "a.jpg", tmp_path / "a.png"]):
        before = (tmp_path / "a.png").read_bytes()
        with pytest.raises(NothingRestoredError, match="overwritten"):
            plan(inputs, tmp_path)
        assert (tmp_path / "a.png").read_bytes() == before
    with pytest.raises(NothingRestoredError, match="same name"):
        plan([tmp_path / "a.png", tmp_path / "sub"], tmp_path / "out")


def test_missing_and_empty_inputs(tmp_path: Path) -> None:
    with pytest.raises(NothingRestoredError, match="no such file"):
        plan([tmp_path / "none.jpg"], tmp_path / "out")
    with pytest.raises(NothingRestoredError, match="holds no photographs"):
        plan([tmp_path], tmp_path / "out")


def test_large_photographs_are_no_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    write_picture(tmp_path / "a.png", np.zeros((80, 80, 3), np.uint8))
    deblur(NOTHING, plan([tmp_path / "a.png"], tmp_path / "out"))
    assert (tmp_path / "out" / "a.png").exists()
    assert Image.MAX_IMAGE_PIXELS == 1000
    monkeypatch.setattr("train.restore.photographs.MOST_PIXELS", 6000)
    write_picture(tmp_path / "b.png", np.zeros((80, 80, 3), np.uint8))
    with pytest.raises(NothingRestoredError, match=r"1 of 1 could not be restored .* see above$"):
        deblur(NOTHING, plan([tmp_path / "b.png"], tmp_path / "out"))
