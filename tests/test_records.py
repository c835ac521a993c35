"""Records are whole, readable by anyone, and never a pickle."""

import json

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench.records import Record, read_record, read_records

VALUES = {
    "schema": 1,
    "status": "ok",
    "trial": {"model": "VBPR"},
    "fingerprints": {},
    "encoder": {},
    "metrics": {},
}


@pytest.fixture
def record(tmp_path):
    made = Record(tmp_path / "toyshop" / "abc-s1.json", VALUES)
    made.write({"users": np.array(["u1", "ü"]), "recall@20": np.array([0.0, 1 / 3])})
    return made


def test_what_was_written_is_read(record):
    found = read_record(record.path)
    assert found == record
    assert found.per_user()["users"].tolist() == ["u1", "ü"]
    assert found.per_user()["recall@20"][1] == 1 / 3
    assert json.loads(found.json()) == VALUES


def test_nothing_else_is_left(record):
    assert {path.name for path in record.path.parent.iterdir()} == {"abc-s1.json", "abc-s1.npz"}


def test_a_failed_record_has_no_metrics_beside_it(record):
    Record(record.path, VALUES | {"status": "failed"}).write()
    assert [path.name for path in record.path.parent.iterdir()] == ["abc-s1.json"]


def test_records_below_a_folder(record, tmp_path):
    (tmp_path / "toyshop" / ".part.json").write_text("{")
    assert list(read_records(tmp_path)) == [record]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "cannot read"), ("[]", "no record"), ("{}", "no record"), ('{"trial": {}}', "schema")],
)
def test_what_is_no_record_is_refused(tmp_path, text, told):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match=told):
        read_record(tmp_path / "x.json")


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(UsageError, match="gone.json"):
        read_record(tmp_path / "gone.json")


def test_pickled_metrics_are_not_loaded(record):
    np.savez(record.path.with_suffix(".npz"), users=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        record.per_user()
