"""Tables as people have them: nothing is lost, and what is wrong is named with its line."""

import csv
import gzip
import io
import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmbench.datasets.tables import column, ids, read_table
from mmbench.errors import UsageError

DATA = Path(__file__).parents[2] / "shared" / "data"
SPELLINGS = ["007", "NA", "null", "1e5", "1.0", "nan", "None", "", " a ", "True", "9" * 30]


def _file(folder: Path, name: str, content) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _error(call, *arguments) -> str:
    with pytest.raises(UsageError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.tsv", "\t"), ("t.txt", "\t")])
def test_delimited_values_keep_their_spelling(tmp_path, name, delimiter):
    rows = "".join(f"{text}{delimiter}x\n" for text in SPELLINGS)
    frame = read_table(_file(tmp_path, name, f"id{delimiter}other\n{rows}"))
    assert frame["id"].tolist() == SPELLINGS
    assert frame.index.tolist() == list(range(2, 2 + len(SPELLINGS)))
    assert frame.index.name == "line"


@pytest.mark.parametrize("extension", [".csv", ".CSV", ".csv.gz"])
def test_bom_crlf_quotes_nul_emoji_and_long_fields(tmp_path, extension):
    long = "z" * 100_000
    text = (
        "\ufeffid, title \r\n"
        '1,"two\r\nlines, ""quoted"""\r\n'
        "\r\n"
        f"2,nul\0 and 🎈é\r\n3,{long}\r\n"
        '4,5" disc'
    )
    data = text.encode()
    path = _file(tmp_path, f"t{extension}", gzip.compress(data) if "gz" in extension else data)
    frame = read_table(path)
    assert frame.columns.tolist() == ["id", "title"]
    assert frame["title"].tolist() == [
        'two\r\nlines, "quoted"',
        "nul\0 and 🎈é",
        long,
        '5" disc',
    ]


def test_lines_are_counted_through_quotes_and_blank_lines(tmp_path):
    text = 'id,t\n\n1,"a\nb\nc"\n\n2,x\n3,y\n'
    frame = read_table(_file(tmp_path, "t.csv", text))
    assert frame.index.tolist() == [3, 7, 8]
    for end in ("\r\n", "\r"):
        path = _file(tmp_path, "t.csv", text.replace("\n", end))
        assert read_table(path).index.tolist() == [3, 7, 8]


@pytest.mark.parametrize("seed", range(20))
def test_what_csv_writes_is_read_back_with_its_lines(tmp_path, seed):
    random = np.random.default_rng(seed)
    letters = [*'ab ,"\t;é🎈\0\x0b\u2028', "\n", "\r\n", ""]
    rows = [["".join(random.choice(letters, 6)) for _ in range(3)] for _ in range(30)]
    buffer, lines = io.StringIO(newline=""), []
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in [["a", "b", "c"], *rows]:
        lines.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    frame = read_table(_file(tmp_path, "t.csv", buffer.getvalue()))
    assert frame.to_numpy().tolist() == rows
    assert frame.index.tolist() == lines[1:]


def test_where_lines_cannot_be_told_rows_are_counted(tmp_path):
    frame = read_table(_file(tmp_path, "t.csv", 'id,t\n1,5" disc\n2,x\n3,3" disc\n'))
    assert (frame.index.name, frame.index.tolist()) == ("row", [1, 2, 3])


def test_atomic_files_of_recbole_lose_the_types_of_their_header(tmp_path):
    text = "user_id:token\titem_id:token\ttimestamp:float\n007\tNA\t1\n"
    for name in ("x.inter", "x.item"):
        frame = read_table(_file(tmp_path, name, text))
        assert frame.to_dict("list") == {"user_id": ["007"], "item_id": ["NA"], "timestamp": ["1"]}


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.ndjson", "t.jsonl.gz"])
def test_json_lines_keep_their_types(tmp_path, name):
    big = 2**60 + 1
    rows = [{"id": big, "t": "007 🎈\0\u2028"}, {"t": None, "tags": ["a", "b"]}, {"id": 7}]
    text = "\n\n".join(json.dumps(row) for row in rows) + "\r\n"
    data = text.encode()
    frame = read_table(_file(tmp_path, name, gzip.compress(data) if "gz" in name else data))
    assert frame["id"].tolist()[::2] == [big, 7]
    assert math.isnan(frame["id"].iloc[1])
    assert frame["t"].iloc[0] == "007 🎈\0\u2028"
    assert frame["tags"].iloc[1] == ["a", "b"]
    assert frame.index.tolist() == [1, 3, 5]


def test_half_an_emoji_in_json_can_still_be_written(tmp_path):
    path = _file(tmp_path, "t.jsonl", r'{"t": "cut \ud83d", "u": "whole \ud83c\udf88"}')
    frame = read_table(path)
    assert frame.iloc[0].tolist() == ["cut \ufffd", "whole 🎈"]
    frame["t"].iloc[0].encode()


def test_parquet_keeps_its_types(tmp_path):
    table = pa.table(
        {
            "id": pa.array([2**60 + 1, None]),
            "name": pa.array(["007", "NA"]).dictionary_encode(),
            "day": pa.array([date(2020, 1, 2), None]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet")
    assert frame["id"].tolist() == [2**60 + 1, None]
    assert frame["name"].tolist() == ["007", "NA"]
    assert frame["day"].iloc[0] == pd.Timestamp(2020, 1, 2)
    assert (frame.index.name, frame.index.tolist()) == ("row", [1, 2])


def test_an_index_written_by_pandas_stays_a_column(tmp_path):
    pd.DataFrame({"x": [1]}, index=pd.Index(["a"], name="id")).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["id"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", "", "unknown kind of table '.xlsx': known are .csv, .tsv"),
        ("table", "", "unknown kind of table ''"),
        ("t.parquet.gz", "", "unknown kind of table '.parquet.gz'"),
        ("t.csv", "", "is empty"),
        ("t.csv", "\n\n", "is empty"),
        ("t.csv", "a,b\n", "has no rows"),
        ("t.jsonl", "\n", "has no rows"),
        ("t.csv", "a,b\n1,2\n\n1,2,3\n", "line 4: 3 fields where the header has 2"),
        ("t.csv", 'a,b\n1,"x\ny"\n1\n', "line 4: 1 fields where the header has 2"),
        ("t.csv", "a,b\n1,2\n   \n", "line 3: 1 fields where the header has 2"),
        ("t.csv", 'a,b\n1,2\n3,"open\n4,5\n', "line 3: a quote is opened and never closed"),
        ("t.csv", "a,b,a\n1,2,3\n", "column name 'a' stands twice"),
        ("t.inter", "a:token\ta:float\n1\t2\n", "column name 'a' stands twice"),
        ("t.csv", "a,b\n1,caf\xe9\n".encode("latin-1"), "not UTF-8: byte 0xe9 at offset 9 (line 2"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "not UTF-8: byte 0xff at offset 0 (line 1)"),
        ("t.csv.gz", "a,b\n1,2\n", "damaged or not gzipped"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "damaged or not gzipped"),
        ("t.csv", "x" * 200_000, "does not begin with a line of column names"),
        ("t.jsonl", '{"a": 1}\n{"a": }\n', "line 2: not JSON"),
        ("t.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("t.jsonl", '[{"a": 1}]\n', "line 1: [{'a': 1}] is no JSON object: write one object a"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', "line 1: not JSON (a key stands twice in one object)"),
        ("t.parquet", "PAR1 not really", "is no Parquet file"),
        ("t.parquet", "", "is no Parquet file"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, name, content, message):
    path = _file(tmp_path, name, content)
    error = _error(read_table, path)
    assert str(path) in error
    assert message in error
    assert len(error) < 300 + len(str(path))


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    for name in ("gone.csv", "gone.jsonl", "gone.parquet"):
        assert f"cannot read {tmp_path / name}: No such file" in _error(read_table, tmp_path / name)
    for name in ("folder.csv", "folder.parquet"):
        (tmp_path / name).mkdir()
        assert str(tmp_path / name) in _error(read_table, tmp_path / name)


def test_parquet_with_a_repeated_column_is_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert "column name 'a' stands twice" in _error(read_table, tmp_path / "t.parquet")


def test_a_missing_column_is_answered_with_the_nearest_and_the_flag():
    frame = pd.DataFrame({"user_id": ["1"], "item": ["2"]})
    path = Path("r.csv")
    assert column(frame, "item", path, "--item-col").tolist() == ["2"]
    error = _error(column, frame, "userid", path, "--user-col")
    nearest = "r.csv has no column 'userid': the nearest is user_id"
    assert error == f"{nearest} (choose it with --user-col)"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([" 7", "007", "NA ", "None"], ["7", "007", "NA", "None"]),
        (np.array([1, -2], np.int32), ["1", "-2"]),
        (np.array([3.0, 123456789.0]), ["3", "123456789"]),
        (pd.array([2**60 + 1, 5], dtype="Int64"), [str(2**60 + 1), "5"]),
        (pd.Categorical(["b", "a"]), ["b", "a"]),
        ([1, "1", 2.0], ["1", "1", "2"]),
    ],
)
def test_ids_are_spelled_as_written(values, expected):
    spelled = ids(pd.Series(values), Path("r.csv"), "user id")
    assert spelled.tolist() == expected
    assert {type(text) for text in spelled} == {str}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "", " ", "b"], "r.csv: 2 of 4 user ids are missing or empty, first on line 3"),
        ([1, None, math.nan], "r.csv: 2 of 3 user ids are missing or empty, first on line 3"),
        ([1.0, 1.5], "r.csv, line 3: user id 1.5 is no whole number"),
        ([1.0, math.inf], "r.csv, line 3: user id inf is no whole number"),
        ([2.0**53], "r.csv, line 2: user id 9007199254740992.0 has lost digits as a float"),
        (["a", "b\tc"], "r.csv, line 3: user id 'b\\tc' holds a tab, a line break or NUL"),
        (["a\nb"], "line 2: user id 'a\\nb' holds a tab"),
        (["a\rb"], "line 2: user id 'a\\rb' holds a tab"),
        (["a\0b"], "line 2: user id 'a\\x00b' holds a tab"),
        (["a", "[PAD]"], "line 3: user id '[PAD]' is RecBole's padding token"),
        (["a", ["b"]], "line 3: user id ['b'] is no text"),
        (["a", True], "line 3: user id True is no text"),
        ([Decimal(1)], "line 2: user id Decimal('1') is no text"),
        ([b"a"], "line 2: user id b'a' is no text"),
    ],
)
def test_ids_that_cannot_be_used_are_named_with_their_line(values, message):
    series = pd.Series(values, index=pd.Index(range(2, 2 + len(values)), name="line"), dtype=object)
    assert message in _error(ids, series, Path("r.csv"), "user id")


def test_real_items_are_read_whole():
    path = DATA / "ml-100k-posters" / "items.csv"
    if not path.exists():
        pytest.skip(f"needs the MovieLens data, which may not be shipped: {path}")
    frame = read_table(path)
    assert len(frame) == 1682
    assert frame["item_id"].is_unique
    assert frame["plot"].eq("N/A").sum() == 11  # a text, not a gap
    assert frame["imdb_id"].str.startswith("0").any()
