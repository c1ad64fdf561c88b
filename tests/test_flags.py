import argparse
from dataclasses import dataclass
from typing import Literal

import pytest

from prepare.command_line import (
    Parser,
    UsageError,
    add_settings,
    in_words_of_flags,
    parse_bool,
    parse_random,
    parse_share,
    settings_from,
)
from prepare.records.ranges import Spread
from prepare.records.settings import SettingError, require, setting


@dataclass(frozen=True)
class Base:
    inherited_px: int = setting(3, "from the base class, 100 %")


@dataclass(frozen=True)
class Example(Base):
    share: float = setting(0.5, "of something")
    name: str = setting("a", "its name")
    on: bool = setting(False, "whether")
    maybe: float | None = setting(None, "or nothing")
    kind: Literal["round", "square"] = setting("round", "of shape")
    hidden: int = 7

    def __post_init__(self):
        require(self.share <= 1, "share", "at most 1", self.share)


def parse(*arguments):
    parser = Parser(prog="example")
    add_settings(parser, Example, leave_out=("skipped",))
    return parser.parse_args(arguments)


def test_flags_not_given_leave_the_defaults():
    assert settings_from(parse(), Example()) == Example()
    assert settings_from(parse(), Example(share=0.25)) == Example(share=0.25)


def test_flags_are_the_fields_in_kebab_case():
    args = parse(
        "--share", "1e-3", "--name", "b c", "--on", "1", "--maybe", "2", "--inherited-px", "9"
    )
    assert settings_from(args, Example()) == Example(9, 0.001, "b c", True, 2.0)


def test_own_values_win_over_flags():
    assert settings_from(parse("--share", "0.1"), Example(), share=0.2).share == 0.2


def test_fields_without_a_comment_have_no_flag():
    with pytest.raises(UsageError, match="--hidden"):
        parse("--hidden", "1")


def test_skipped_fields_have_no_flag():
    parser = Parser()
    add_settings(parser, Example, leave_out=("share", "name"))
    assert not {"share", "name"} & {action.dest for action in parser._actions}


def test_help_carries_the_comment_and_the_default(capsys):
    with pytest.raises(SystemExit) as exited:
        parse("--help")
    assert exited.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "from the base class, 100 % (default: 3)" in text
    assert "of something (default: 0.5)" in text


@pytest.mark.parametrize(
    "arguments",
    [["--on", "yes"], ["--share", "half"], ["--inherited-px", "1.5"], ["--nothing"], ["stray"]],
)
def test_complaint_is_one_line(arguments):
    with pytest.raises(UsageError, match=arguments[0]) as raised:
        parse(*arguments)
    assert "\n" not in str(raised.value)


def test_settings_explain_values_they_refuse():
    with pytest.raises(SettingError) as raised:
        settings_from(parse("--share", "2"), Example())
    assert in_words_of_flags(raised.value) == "--share must be at most 1, got 2.0"


def test_choices_are_shown_and_no_other_is_taken(capsys):
    assert settings_from(parse("--kind", "square"), Example()).kind == "square"
    with pytest.raises(SystemExit):
        parse("--help")
    assert "--kind round|square" in capsys.readouterr().out
    with pytest.raises(UsageError, match="oval"):
        parse("--kind", "oval")


@pytest.mark.parametrize(
    ("text", "radius"),
    [
        ("30", 30.0),
        ("33.5", 33.5),
        ("0", 0.0),
        ("10-40", Spread([(10, 40)])),
        ("0,5-9", Spread([(0, 0), (5, 9)])),
    ],
)
def test_radius_is_a_number_or_a_range(text, radius):
    assert parse_random(text) == radius


@pytest.mark.parametrize("text", ["", "10-", "10-20-30", "40-10", "10,", "5 6"])
def test_other_radii_are_refused(text):
    with pytest.raises(
        argparse.ArgumentTypeError, match="expected a number, a range as in 10-40, low to high, or"
    ):
        parse_random(text)


def test_switch_is_0_or_1():
    assert (parse_bool("0"), parse_bool("1")) == (False, True)
    for text in ("", "true", "2"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_bool(text)


@pytest.mark.parametrize("text", ["0,5", "50%", "abc", "2", "-1", "nan"])
def test_a_share_that_is_none_is_said_in_words(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"a number between 0 and 1, got {text}"):
        parse_share(text)
