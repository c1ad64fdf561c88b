"""Settings that are drawn for each image: as typed, as recorded, and how they are drawn."""

import numpy as np
import pytest

from prepare.records.ranges import Spread, parse_values

TEXTS = ["10-40", "0,5-9", "-60-60", "-20--5,3.5", "gaussian,uniform", "0,0,1"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_typed_is_what_is_shown_and_recorded(text):
    spread = parse_values(text)
    assert str(spread) == text
    assert Spread.of_plain(spread.plain) == spread


@pytest.mark.parametrize(
    ("text", "value"), [("30", 30.0), ("-5", -5.0), ("1e-3", 0.001), ("photon", "photon")]
)
def test_one_value_is_no_spread(text, value):
    assert parse_values(text) == value


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "3-1", "5-5", "nan", "1-inf", "Big", "1-2-3", "--5"]
)
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - any will do, flags word it
        parse_values(text)


def test_parts_are_as_likely_as_each_other_and_ranges_even():
    spread = parse_values("0,10-20,10-20")
    drawn = np.array([spread.sample(f"radius {number}") for number in range(6000)])
    assert (drawn == 0).mean() == pytest.approx(1 / 3, abs=0.03)
    counts, _ = np.histogram(drawn[drawn > 0], bins=5, range=(10, 20))
    assert np.abs(counts - 800).max() < 120
    assert drawn.max() <= 20


def test_whole_numbers_are_each_as_likely():
    drawn = [parse_values("5-9").sample(f"blades {number}", whole=True) for number in range(3000)]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [5, 6, 7, 8, 9]
    assert np.abs(counts - 600).max() < 100


def test_a_draw_depends_on_the_text_alone():
    spread = parse_values("0-100")
    assert spread.sample("a") == spread.sample("a") != spread.sample("b")
