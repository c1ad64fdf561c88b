"""What a run and its evaluations left, damaged in every way: one line that names the file."""

import json
import shutil

import pytest
from helpers.evaluated import write_evaluated_run
from helpers.pair_files import write_matched_folders

import pipeline
from prepare.records.files import named_errors
from prepare.records.jsonl import read_log, read_object, read_table
from prepare.records.settings import DamagedRecordError
from train.log import COLUMNS, _forget_lines_past
from train.run import DamagedSettingsError, Run
from train.settings import TrainSettings

WAY_OUT = "bring it back"
NO_TEXT = [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"[1]", b"3"]
NO_OBJECT = [*NO_TEXT, b'{"a": NaN}', b'{"a": [Infinity]}', b'{"a": 1e999}', b'{"a": 1', b'{"a" 1}']


@pytest.mark.parametrize("content", NO_OBJECT)
def test_what_is_no_object_of_finite_numbers_is_named(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(
        DamagedRecordError, match=r"metrics\.json is damaged \(.*\); bring it back$"
    ):
        read_object(path, WAY_OUT)


def test_object_comes_back_as_it_is(tmp_path):
    path = tmp_path / "metrics.json"
    assert read_object(path, WAY_OUT) == {}
    path.write_text('{"a": [1, 2.5, -1e-3, "é"], "b": null}', encoding="utf-8")
    assert read_object(path, WAY_OUT) == {"a": [1, 2.5, -0.001, "é"], "b": None}


def test_folder_in_the_place_of_a_file_is_named(tmp_path):
    for read in (read_object, read_log, lambda path, way_out: read_table(path, [], way_out)):
        with pytest.raises(DamagedRecordError, match=r"is damaged \(no regular file\); bring"):
            read(tmp_path, WAY_OUT)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xfe", b"id\n1\n", b"id,psnr_db\n", b"id,psnr_db\na,x\n", b"psnr_db\n1\n"),
        *(b"id,psnr_db\na,nan\n", b"id,psnr_db\na\n", b"id,psnr_db\na,1,2\n"),
        b"id,psnr_db\na,\n",
        b"id,psnr_db\na,1e999\n",
    ],
)
def test_table_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "per_image.csv"
    path.write_bytes(content)
    with pytest.raises(DamagedRecordError, match=r"per_image\.csv is damaged \(.*\); bring"):
        read_table(path, ["psnr_db"], WAY_OUT)


def test_table_comes_back_with_odd_ids(tmp_path):
    path = tmp_path / "per_image.csv"
    with pytest.raises(DamagedRecordError, match=r"per_image\.csv is missing"):
        read_table(path, [], WAY_OUT)
    path.write_text('id,psnr_db\r\n"a,\u2028b",2.5\r\nnan,-1\r\n', encoding="utf-8", newline="")
    rows = [{"id": "a,\u2028b", "psnr_db": 2.5}, {"id": "nan", "psnr_db": -1}]
    assert read_table(path, ["psnr_db"], WAY_OUT) == rows


def test_empty_cell_of_a_column_that_need_not_be_there_is_left_out(tmp_path):
    path = tmp_path / "per_image.csv"
    path.write_text("id,psnr_db,wiener_psnr_db\na,2,\nb,3,4\n")
    rows = [{"id": "a", "psnr_db": 2}, {"id": "b", "psnr_db": 3, "wiener_psnr_db": 4}]
    assert read_table(path, ["psnr_db"], WAY_OUT) == rows


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("step,l1\n1,0.5\n2,many\n", "l1 is 'many' in line 3"),
        ("step,l1\none,0.5\n", "step is 'one' in line 2"),
        ("step,l1\n,0.5\n", "step is '' in line 2"),
        ("step,l1\n1.5,0.5\n", "step is '1.5' in line 2"),
        ("step,l1\n1\n2,0.5\n", "line 2 has not as many values"),
        ("step,l1\n1,2,3\n", "line 2 has not as many values"),
        ("1,0.5\n", "no column step"),
        ("1,0.5\n2,0.4\n", "no column step"),
    ],
)
def test_log_that_is_none_is_named_with_the_line(tmp_path, content, reason):
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(
        DamagedRecordError, match=r"log\.csv is damaged .*; bring it back"
    ) as raised:
        read_log(path, WAY_OUT)
    assert reason in str(raised.value)
    with pytest.raises(DamagedRecordError, match="or move it away to go on without its lines"):
        _forget_lines_past(path, 1)
    assert path.read_text() == content


def test_log_of_an_older_version_and_an_empty_one_are_gone_on_with(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"")
    _forget_lines_past(path, 1)
    assert path.read_text().splitlines() == [",".join(COLUMNS)]
    path.write_text("step,l1\n1,0.5\n2,0.25\n3,0.12")  # the last line is torn
    _forget_lines_past(path, 2)
    rows = read_log(path, WAY_OUT)
    assert [(row["step"], row["l1"], row["grid"]) for row in rows] == [
        ("1", "0.5", ""),
        ("2", "0.25", ""),
    ]


def test_column_that_nobody_knows_is_not_thrown_away(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,mine\n1,0.5\n")
    with pytest.raises(DamagedRecordError, match="mine"):
        _forget_lines_past(path, 1)
    assert path.read_text() == "step,mine\n1,0.5\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("batch", value) for value in ([4], "4", 4.0, True, None, 10**400, {"a": 1})],
        *[("epochs", value) for value in ([1.0], "1", False, -1.0)],
        *[("turns", value) for value in (1, "yes", [])],
        *[("schedule", value) for value in (1, [], "steps")],
        *[("kernels", value) for value in ([], "disc-r30", [3], {"disc-r30": 1}, None)],
        *[("size", value) for value in ("32", 32.5, [])],
        *[("preset", value) for value in ([], 3)],
        *[("format", value) for value in ("2", None, [])],
    ],
)
def test_setting_of_a_wrong_kind_is_named(tmp_path, name, value):
    content = vars(TrainSettings()) | {"kernels": ["disc-r30"], "size": 32, "format": 2}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content))
    assert Run(tmp_path).record.settings == TrainSettings()
    path.write_text(json.dumps(content | {name: value}))
    with pytest.raises(
        DamagedSettingsError, match=rf"settings\.json is damaged \({name} .*another"
    ):
        _ = Run(tmp_path).record


def test_errors_of_the_disk_get_a_name_once(tmp_path):
    with pytest.raises(OSError, match=r"No space left.*'/there'"), named_errors("/there"):
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match="'/first'"), named_errors("/there"):
        raise OSError(28, "No space left on device", "/first")
    with pytest.raises(BrokenPipeError), named_errors("/there"):
        raise BrokenPipeError(32, "Broken pipe")


# What people see.


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    write_matched_folders(folder / "data", [f"{n:02d}" for n in range(10)], size=32)
    for run in ("one", "two"):
        write_evaluated_run(folder / "runs" / run, folder / "data")
    return folder


@pytest.mark.parametrize("content", [None, *NO_TEXT, b'{"rows": NaN}', b"id,psnr_db\na,x\n"])
@pytest.mark.parametrize(
    "name", ["metrics.json", "per_image.csv", "../curve.json", "../../settings.json"]
)
def test_report_and_comparison_name_what_is_damaged(evaluated, tmp_path, capsys, name, content):
    folder = shutil.copytree(evaluated, tmp_path / "folder")
    path = folder / "runs" / "one" / "evaluation" / "disc-r30" / name
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    commands = {"report": ["--run", "one"], "compare": ["--with", "one", "two"]}
    if ".." in name:
        del commands["compare"]  # which reads neither
    for command, words in commands.items():
        assert pipeline.main([command, *where, *words]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert path.name in line
        assert "; " in line
