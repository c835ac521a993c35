"""Fingerprints, registries and the errors that name the nearest value."""

import numpy as np
import pytest

from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import canonical, file_sha256, fingerprint
from mmbench.registry import Registry


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_a_fingerprint_is_the_sha256_of_canonical_json():
    assert canonical({"b": "é", "a": None}) == '{"a":null,"b":"é"}'
    assert fingerprint({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [float("nan"), {"x": np.float32(1)}, {1, 2}])
def test_what_is_no_json_has_no_fingerprint(value):
    with pytest.raises((ValueError, TypeError)):
        fingerprint(value)


def test_the_sha256_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_a_registry_resolves_on_first_use():
    table = Registry("function", {"loads": "json:loads"})
    assert table.resolve("loads")("[1]") == [1]
    assert list(table) == ["loads"]


def test_a_registry_names_the_nearest():
    with pytest.raises(UsageError, match=r"unknown encoder 'clasic': the nearest is classic"):
        Registry("encoder", {"classic": "x:y", "noise": "x:z"})["clasic"]


@pytest.mark.parametrize(
    ("name", "names", "told"),
    [
        ("VBRP", ["VBPR", "Pop"], "the nearest is VBPR"),
        ("zzz", ["VBPR", "Pop"], "known: Pop, VBPR"),
        ("x", [], "there is none yet"),
        ("qqqq", [f"name{i:02d}" for i in range(20)], "and 8 more"),
    ],
)
def test_nearest(name, names, told):
    assert told in nearest(name, names)
