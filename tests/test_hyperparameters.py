"""Values are typed, in range, known; nothing is left to default in silence."""

import pytest

from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256
from mmbench.hyperparameters import check, files, modality_needs, require_room, resolve
from mmbench.specs import Parameter, RecommenderSpec, recommender_spec
from recbole_ext.defaults import defaults


def resolved(**chosen):
    return resolve(recommender_spec("VBPR"), defaults("VBPR"), chosen)


def test_defaults_stand_where_nothing_is_chosen():
    assert resolved() == defaults("VBPR")
    assert resolved(learning_rate=0.005)["learning_rate"] == 0.005


def test_whole_numbers_become_floats_where_floats_are_meant():
    values = resolved(learning_rate=1, epochs=5.0)
    assert isinstance(values["learning_rate"], float)
    assert isinstance(values["epochs"], int)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"learning_rat": 1}, "the nearest is learning_rate"),
        ({"learning_rate": "fast"}, "expected a number"),
        ({"learning_rate": -1.0}, "more than 0 and at most 10"),
        ({"learning_rate": float("nan")}, "more than 0"),
        ({"epochs": 1.5}, "expected a whole number"),
        ({"epochs": float("inf")}, "expected"),
        ({"epochs": True}, "expected a whole number"),
        ({"reg_weight": float("inf")}, "at least 0"),
        ({"learner": "adamm"}, "the nearest is adam"),
        ({"trainable_features": 1}, "expected true or false"),
        ({"embedding_size": 0}, "at least 1"),
        ({"embedding_size": None}, "expected a whole number"),
    ],
)
def test_wrong_values_are_refused(chosen, told):
    with pytest.raises(UsageError) as error:
        resolved(**chosen)
    assert told in str(error.value)
    assert str(error.value).startswith(f"--set {next(iter(chosen))}")


def test_null_only_where_it_means_something():
    assert check("clip_grad_norm", None, Parameter(type="float", null=True)) is None


def test_a_file_must_be_there_and_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "graph.npz").write_text("any")
    monkeypatch.chdir(tmp_path)
    one = Parameter(type="file", null=True)
    assert check("graph", "graph.npz", one) == str(tmp_path / "graph.npz")
    assert check("graph", None, one) is None
    told = {
        "grap.npz": "there is no such file",
        "": "there is no such file",
        3: "expected the path",
    }
    for value, message in told.items():
        with pytest.raises(UsageError, match=f"--set graph={value}: {message}"):
            check("graph", value, one)


def test_files_are_known_by_their_content(tmp_path):
    (tmp_path / "a").write_text("any")
    parameter = {"graph": Parameter(type="file", null=True), "k": Parameter(type="int")}
    spec = RecommenderSpec(description="d", name="n", content=True, parameters=parameter)
    assert files(spec, {"graph": None, "k": 3}) == {}
    found = files(spec, {"graph": str(tmp_path / "a"), "k": 3})
    assert found == {"graph": file_sha256(tmp_path / "a")}


def test_an_untrained_recommender_has_no_learning_rate():
    spec = recommender_spec("ItemKNN")
    assert resolve(spec, defaults("ItemKNN"), {"k": 5})["k"] == 5
    with pytest.raises(UsageError, match="ItemKNN has no such key"):
        resolve(spec, defaults("ItemKNN"), {"learning_rate": 0.1})


def recommender(**parameters):
    return RecommenderSpec(description="d", name="n", content=True, parameters=parameters)


def test_a_dataset_must_leave_room():
    spec = recommender(
        k=Parameter(type="int", leaves={"items": 1}, when={"graph": None}),
        rank=Parameter(type="int", leaves={"users": 0, "items": 0}),
        graph=Parameter(type="file", null=True),
    )
    counts = {"users": 4, "items": 9}
    require_room(spec, {"k": 8, "rank": 4, "graph": None}, "d", counts)
    require_room(spec, {"k": 9, "rank": 4, "graph": "any"}, "d", counts)  # k is not read
    with pytest.raises(UsageError, match="--set k=9: dataset 'd' has 9 items: expected at most 8"):
        require_room(spec, {"k": 9, "rank": 4, "graph": None}, "d", counts)
    with pytest.raises(UsageError, match="--set rank=5: dataset 'd' has 4 users: .* at most 4"):
        require_room(spec, {"k": 8, "rank": 5, "graph": None}, "d", counts)


def test_a_single_value_may_need_features():
    spec = recommender(task=Parameter(type="str", least_modalities={"masking": 2}))
    assert modality_needs(spec, {"task": "masking"}) == {"n": 0, "n with --set task=masking": 2}
    assert modality_needs(spec, {"task": "other"}) == {"n": 0}
