"""Ranges are checked against the parameters, and mean the same to Optuna and to a grid."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mmbench.errors import UsageError
from mmbench.hyperparameters import end2end_parameters, parameters
from mmbench.search_space import checked, distributions, grid, is_finite, size, usual_ranges
from mmbench.specs import Parameter, names, recommender_spec

KNOWN = {
    "layers": Parameter(type="int", min=1, max=10),
    "rate": Parameter(type="float", above=0, max=1),
    "share": Parameter(type="float", min=0, max=0.99),
    "norm": Parameter(type="str", choices=("l2", "none")),
    "bias": Parameter(type="bool"),
    "clip": Parameter(type="float", above=0, null=True),
    "graph": Parameter(type="file"),
}
SPACE = {
    "layers": ("choice", (1, 2, 4)),
    "width": ("log_uniform", (8, 512)),
    "depth": ("uniform", (1, 3)),
    "rate": ("log_uniform", (1e-4, 1e-2)),
    "share": ("uniform", (0.0, 0.5)),
    "bias": ("choice", (True, False)),
}


@pytest.mark.parametrize("name", names("recommenders"))
def test_every_shipped_range_lies_within_its_bounds(name):
    spec = recommender_spec(name)
    known = parameters(spec, end2end=spec.trained)
    searched = {key for key, parameter in known.items() if parameter.search}
    assert usual_ranges(known).keys() == searched
    assert not spec.trained or searched


def test_the_encoders_own_rate_is_searched():
    assert usual_ranges(end2end_parameters())["encoder_learning_rate"][0] == "log_uniform"


@pytest.mark.parametrize(
    ("key", "said", "found"),
    [
        ("layers", {"choice": [1, 2.0]}, (1, 2)),
        ("rate", {"choice": [1, 0.5]}, (1.0, 0.5)),
        ("layers", {"uniform": [1, 10]}, (1, 10)),
        ("share", {"uniform": [0, 0.5]}, (0.0, 0.5)),
        ("rate", {"log_uniform": [1e-3, 1]}, (1e-3, 1.0)),
        ("clip", {"choice": [None, 1]}, (None, 1.0)),
    ],
)
def test_values_get_the_type_of_their_parameter(key, said, found):
    kind, values = checked(key, said, KNOWN, "here")
    assert (kind, values) == (next(iter(said)), found)
    assert [type(value) for value in values] == [type(value) for value in found]


@pytest.mark.parametrize(
    ("key", "said", "told"),
    [
        ("layer", {"choice": [1]}, "here: layer: there is no such key; the nearest is layers"),
        ("rate", {"loguniform": [0.1, 1]}, "unknown kind 'loguniform': the nearest is log_uniform"),
        ("rate", {}, "give it one of choice, uniform, log_uniform"),
        ("rate", {"choice": [1], "uniform": [0.1, 1]}, "give it one of"),
        ("share", {"uniform": [0.5, 0.1]}, "[0.5, 0.1] is upside down"),
        ("share", {"uniform": [0.5, 0.5]}, "is upside down"),
        ("share", {"log_uniform": [0, 0.5]}, "log_uniform begins above 0, and 0.0 does not"),
        ("share", {"uniform": [0, 1]}, "share=1: expected at least 0 and at most 0.99"),
        ("rate", {"uniform": [0, 1]}, "rate=0: expected more than 0"),
        ("rate", {"uniform": [0.1, float("nan")]}, "rate=nan: expected"),
        ("rate", {"uniform": [0.1]}, "takes two numbers"),
        ("clip", {"uniform": [None, 1]}, "takes two numbers"),
        ("layers", {"choice": [1, 1.5]}, "layers=1.5: expected a whole number"),
        ("layers", {"choice": []}, "no choice is left"),
        ("layers", {"choice": [1, 2, 1]}, "1 stands twice"),
        ("norm", {"choice": ["l3"]}, "norm=l3: the nearest is l2"),
        ("norm", {"uniform": ["l2", "none"]}, "uniform is for numbers: write choice"),
        ("bias", {"uniform": [False, True]}, "is for numbers"),
        ("graph", {"choice": [None]}, "a file is not searched"),
    ],
)
def test_wrong_ranges_are_refused(key, said, told):
    with pytest.raises(UsageError) as error:
        checked(key, said, KNOWN, "here")
    assert told in str(error.value)


def test_distributions_keep_the_types():
    made = distributions(SPACE)
    assert made["layers"] == CategoricalDistribution((1, 2, 4))
    assert made["width"] == IntDistribution(8, 512, log=True)
    assert made["depth"] == IntDistribution(1, 3)
    assert made["rate"] == FloatDistribution(1e-4, 1e-2, log=True)
    assert made["share"] == FloatDistribution(0.0, 0.5)


def test_a_grid_holds_both_ends_and_is_even():
    made = grid(SPACE, 3)
    assert made["layers"] == [1, 2, 4]
    assert made["width"] == [8, 64, 512]
    assert made["depth"] == [1, 2, 3]
    assert made["rate"] == [1e-4, 1e-3, 1e-2]
    assert made["share"] == [0.0, 0.25, 0.5]
    assert made["bias"] == [True, False]
    assert all(type(value) is int for value in (*made["width"], *made["depth"]))
    assert grid(SPACE, 9)["depth"] == [1, 2, 3]  # there are no more whole numbers
    assert grid(SPACE, 2)["rate"] == [1e-4, 1e-2]
    assert size(SPACE, 3) == 3 * 3 * 3 * 3 * 3 * 2


def test_only_choices_are_finite():
    assert is_finite({"layers": SPACE["layers"]})
    assert not is_finite(SPACE)
