"""What a run's `log.csv` keeps when a training goes on."""

import pytest

from prepare.records.jsonl import read_log
from prepare.records.settings import DamagedRecordError
from train.log import COLUMNS, forget_lines_past


def test_log_of_an_older_version_and_an_empty_one_are_gone_on_with(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"")
    forget_lines_past(path, 1)
    assert path.read_text().splitlines() == [",".join(COLUMNS)]
    path.write_text("step,l1\n1,0.5\n2,0.25\n3,0.12")  # the last line is torn
    forget_lines_past(path, 2)
    rows = read_log(path, "")
    assert [(row["step"], row["l1"], row["grid"]) for row in rows] == [
        ("1", "0.5", ""),
        ("2", "0.25", ""),
    ]


def test_column_that_nobody_knows_is_not_thrown_away(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,mine\n1,0.5\n")
    with pytest.raises(DamagedRecordError, match="mine"):
        forget_lines_past(path, 1)
    assert path.read_text() == "step,mine\n1,0.5\n"
