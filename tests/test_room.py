"""A search keeps to values for which the dataset has room, from ranges to the cells of a sweep."""

import pytest

from mmbench.benchmark import read_benchmark
from mmbench.cells import cells
from mmbench.datasets.prepare import prepare
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.plan import plan
from mmbench.room import Room
from mmbench.search_space import distributions
from mmbench.specs import Parameter, RecommenderSpec
from mmbench.sweeps.draws import draws

SPEC = RecommenderSpec(
    description="d",
    name="n",
    content=True,
    parameters={
        "k": Parameter(type="int", leaves={"items": 1}, when={"graph": None}),
        "share": Parameter(type="float", leaves={"users": 0}),
        "way": Parameter(type="str", choices=("few", "all")),
        "rank": Parameter(type="int", leaves={"users": 0, "items": 0}, when={"way": "all"}),
        "graph": Parameter(type="file", null=True),
        "size": Parameter(type="int"),
    },
)
USUAL = {"k": 10, "share": 1.0, "way": "few", "rank": 32, "graph": None, "size": 64}


def within(space, items=9, users=40, **usual):
    return Room(SPEC, {**USUAL, **usual}, "d", {"items": items, "users": users}).within(space)


@pytest.mark.parametrize(
    ("range_", "left", "value"),
    [
        (("choice", (5, 8, 9, 20)), ("choice", (5, 8)), 5),
        (("choice", (20, 5)), None, 5),
        (("uniform", (2, 20)), ("uniform", (2, 8)), 2),
        (("log_uniform", (2, 9)), ("log_uniform", (2, 8)), 2),
        (("uniform", (8, 20)), None, 8),
    ],
)
def test_what_has_no_room_leaves_a_range(range_, left, value):
    """One value that is left is fixed; of more the first stands in for the default."""
    assert within({"k": range_}) == ({"k": left} if left else {}, {"k": value})


def test_types_stay():
    space, fixed = within({"share": ("uniform", (0.5, 99.0)), "k": ("uniform", (1, 99))})
    assert space == {"share": ("uniform", (0.5, 40.0)), "k": ("uniform", (1, 8))}
    assert [type(value) for _, ends in space.values() for value in ends] == [float] * 2 + [int] * 2
    assert fixed == {"share": 0.5, "k": 1}
    distributions(space)


@pytest.mark.parametrize(
    "space",
    [
        {"k": ("choice", (5, 8))},
        {"k": ("choice", (8,))},  # one that was said stays a range
        {"k": ("uniform", (1, 8))},
        {"size": ("choice", (8, 10**6)), "way": ("choice", ("few", "all"))},
    ],
)
def test_what_has_room_is_left_as_it_is(space):
    assert within(space, rank=9) == (space, {})


def test_what_is_not_read_is_not_bounded():
    space = {"k": ("choice", (5, 20))}
    assert within(space, graph="a file") == (space, {})
    space = {"rank": ("choice", (8, 20))}
    assert within(space) == (space, {})
    assert within(space, way="all") == ({}, {"rank": 8})
    space["way"] = ("choice", ("few", "all"))  # read by some points
    assert within(space) == ({"way": space["way"]}, {"rank": 8})


def test_a_choice_that_reads_a_value_without_room_goes():
    assert within({"way": ("choice", ("few", "all"))}) == ({}, {"way": "few"})
    with pytest.raises(UsageError, match="--set rank=32: dataset 'd' has 9 items: expected at m"):
        within({"way": ("choice", ("all",))}, k=5)


@pytest.mark.parametrize("range_", [("choice", (20, 9)), ("uniform", (9, 20))])
def test_a_range_of_which_nothing_is_left_is_refused(range_):
    with pytest.raises(UsageError, match="k: no value of .* dataset 'd' has room for 8 at most"):
        within({"k": range_})


# A home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a dataset of 24 items."""
    home = Home(tmp_path_factory.mktemp("home"))
    prepare("toyshop", name="small", users=40, items=24, home=home)
    return home


@pytest.fixture
def made(tmp_path, home):
    """Return what makes the only cell of a YAML text."""

    def cell(text):
        (path := tmp_path / "bench.yaml").write_text(f"datasets: [small]\n{text}")
        (found,) = cells(read_benchmark(path), home, {"device": "cpu"})
        return found

    return cell


LATTICE = "encoders: [classic]\nrecommenders: {LATTICE: %s}\n"


def test_every_point_of_a_cell_can_be_planned(made, home):
    cell = made(LATTICE % "{space: {knn_k: {choice: [2, 23, 24, 40]}}}" + "search: {trials: 12}\n")
    assert cell.space["knn_k"] == ("choice", (2, 23))
    searcher = draws(cell, cell.search)
    drawn = [searcher.suggest(str(number)) for number in range(12)]
    assert {point["knn_k"] for point in drawn} == {2, 23}
    for point in drawn:
        hyperparameters = {**cell.request["hyperparameters"], **point}
        (planned,) = plan(**{**cell.request, "hyperparameters": hyperparameters}, home=home)
        assert planned.trial.hyperparameters["knn_k"] == point["knn_k"]


def test_one_value_that_is_left_is_fixed(made):
    cell = made(LATTICE % "{space: {knn_k: {choice: [5, 30, 40]}}}")
    assert "knn_k" not in cell.space
    assert cell.request["hyperparameters"] == {"knn_k": 5}
    others = "learning_rate: 0.01, embedding_size: 8, skip_weight: 0.5, reg_weight: 0.0"
    only = f"set: {{{others}}}\n"
    cell = made(LATTICE % "{space: {knn_k: {choice: [5, 30, 40]}}}" + only)
    assert (cell.search, cell.space) == (None, {})
    assert cell.request["hyperparameters"]["knn_k"] == 5


def test_a_cell_without_a_search_is_as_it_was_asked(made):
    cell = made(LATTICE % "" + "search: false\n")
    assert cell.request["hyperparameters"] == {}
    with pytest.raises(UsageError, match="--set knn_k=24: dataset 'small' has 24 items"):
        made(LATTICE % "{set: {knn_k: 24}}")


def test_nothing_left_is_told_with_its_place(made):
    with pytest.raises(UsageError) as error:
        made(LATTICE % "{space: {knn_k: {choice: [30, 40]}}}")
    assert "bench.yaml: small · classic · frozen · LATTICE: knn_k: no value of [30, 40]" in str(
        error.value
    )
