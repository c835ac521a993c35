"""A benchmark is read strictly, from a YAML or from flags, and every mistake is named."""

import pytest

from mmbench.benchmark import Search, of_flags, read_benchmark
from mmbench.errors import UsageError

FULL = """
description: the small shop
datasets: [toyshop]
encoders: [classic, noise]
paradigms: [frozen, end2end]
recommenders:
  VBPR:
    set: {embedding_size: 32}
    space: {reg_weight: {log_uniform: [1e-4, 1e-2]}}
    encoders: [classic]
  BPR:
seeds: 2
set: {epochs: 5}
search: {trials: 6, algorithm: random}
fuse: pca:8
missing: mean
"""
SPACE = "space: {reg_weight: {log_uniform: [1e-4, 1e-2]}}"


@pytest.fixture
def read(tmp_path):
    """Return what reads a YAML text as a benchmark."""

    def made(text):
        path = tmp_path / "bench.yaml"
        path.write_text(text)
        return read_benchmark(path)

    return made


def test_a_whole_benchmark(read):
    made = read(FULL)
    assert made.recommenders["VBPR"].space == {"reg_weight": {"log_uniform": (1e-4, 1e-2)}}
    assert made.recommenders["BPR"].set == {}
    assert made.search == Search(trials=6, algorithm="random")
    assert (made.fuse, made.missing, made.paradigms) == ("pca:8", "mean", ("frozen", "end2end"))
    assert made.where.endswith("bench.yaml")


def test_recommenders_may_be_a_list_and_search_has_its_defaults(read):
    made = read("datasets: [toyshop]\nrecommenders: [BPR, Pop]\n")
    assert list(made.recommenders) == ["BPR", "Pop"]
    assert made.search == Search()
    assert (made.search.algorithm, made.search.trials, made.paradigms) == ("tpe", None, ("frozen",))
    assert read("datasets: [toyshop]\nrecommenders: [BPR]\nsearch: false\n").search is None


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("dataset: [toyshop]", "datasets: [toyshop]", "unknown key 'dataset': the nearest is data"),
        ("    sett:", "    set:", "unknown key 'recommenders.VBPR.sett': the nearest is set"),
        ("{trails: 6,", "{trials: 6,", "unknown key 'search.trails': the nearest is trials"),
        ("datasets: []", "datasets: [toyshop]", "datasets: it is empty"),
        ("datasets: [a, a]", "datasets: [toyshop]", "datasets: 'a' stands twice"),
        ("[classic, classic]", "[classic, noise]", "encoders: 'classic' stands twice"),
        ("[classic, nois]", "[classic, noise]", "encoders: unknown encoder 'nois': the nearest is"),
        ("[permuted:clasic]", "[classic, noise]", "the nearest is classic"),
        ("[permuted, noise]", "[classic, noise]", "write permuted:ENCODER"),
        ("encoders: [clasic]", "encoders: [classic]", "recommenders.VBPR.encoders: unknown encode"),
        ("  VBRP:", "  VBPR:", "recommenders: unknown recommender 'VBRP': the nearest is VBPR"),
        ("[frozen, end]", "[frozen, end2end]", "paradigms.1"),
        ("seeds: 0", "seeds: 2", "seeds: Input should be greater than"),
        ("{trials: 0,", "{trials: 6,", "search.trials: Input should be greater than"),
        ("algorithm: bayes", "algorithm: random", "search.algorithm"),
        (
            "search: 20\n",
            "search: {trials: 6, algorithm: random}\n",
            "search: write false, or keys",
        ),
        ("space: [1, 2]", SPACE, "recommenders.VBPR.space: Input should be"),
        ("missing: maen", "missing: mean", "the nearest is mean"),
        ("protocol: randm\nfuse", "fuse", "protocol: unknown protocol 'randm'"),
    ],
)
def test_mistakes_are_told_with_their_place(read, wrong, right, told):
    assert right in FULL
    with pytest.raises(UsageError) as error:
        read(FULL.replace(right, wrong, 1))
    assert told in str(error.value)
    assert "bench.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["- toyshop\n", "toyshop", "", "datasets: [toyshop]: 1"])
def test_what_is_no_mapping_is_refused(read, text):
    with pytest.raises(UsageError, match=r"bench\.yaml"):
        read(text)


@pytest.mark.parametrize("said", ["[VBPR, VBPR]", "[{VBPR: {}}]", "VBPR", "{VBPR: 3}", "[]", "{}"])
def test_wrong_recommenders_are_refused(read, said):
    with pytest.raises(UsageError, match=r"bench\.yaml: recommenders: "):
        read(f"datasets: [toyshop]\nrecommenders: {said}\n")


def test_a_control_of_other_rows_stands_for_one_of_each_real_encoder(read):
    text = "datasets: [toyshop]\nrecommenders: [VBPR]\nencoders: [classic, permuted, noise, vlmo]\n"
    expected = ("classic", "permuted:classic", "permuted:vlmo", "noise", "vlmo")
    assert read(text).encoders == expected
    again = text.replace("permuted,", "permuted, permuted:vlmo,")
    assert read(again).encoders == expected


def test_flags_alone_make_a_benchmark():
    made = of_flags(
        {"model": "VBPR, BPR", "encoder": "classic,permuted", "dataset": "toyshop"},
        {"epochs": 5},
        search={"trials": 3, "round": None},
        seeds=2,
        options={"dtype": "float16"},
    )
    assert list(made.recommenders) == ["VBPR", "BPR"]
    assert made.encoders == ("classic", "permuted:classic")
    assert made.search == Search(trials=3)
    assert (made.set, made.seeds, made.dtype) == ({"epochs": 5}, 2, "float16")


def test_flags_that_are_left_out_are_those_of_run():
    made = of_flags({})
    assert (made.datasets, list(made.recommenders)) == (("toyshop",), ["VBPR"])
    assert made.encoders == ("efficientnet+minilm",)
    assert of_flags({"model": "BPR"}).encoders == ()


def test_flags_win_over_the_yaml(tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(FULL)
    assert of_flags({}, file=path) == read_benchmark(path)
    made = of_flags(
        {"model": "VBPR,LATTICE", "encoder": "oracle", "protocol": None},
        {"reg_weight": 0.1, "embedding_size": 64},
        path,
        search={"trials": 9},
        options={"fuse": "mean"},
    )
    assert list(made.recommenders) == ["VBPR", "LATTICE"]
    assert made.encoders == ("oracle",)
    assert made.recommenders["VBPR"].encoders is None
    assert made.recommenders["VBPR"].space == made.recommenders["VBPR"].set == {}
    assert made.set == {"epochs": 5, "reg_weight": 0.1, "embedding_size": 64}
    assert made.search == Search(trials=9, algorithm="random")
    assert (made.fuse, made.missing, made.seeds) == ("mean", "mean", 2)
    assert of_flags({}, file=path, no_search=True).search is None


@pytest.mark.parametrize(
    ("names", "more", "told"),
    [
        ({"model": "VBRP"}, {}, "the nearest is VBPR"),
        ({"model": "VBPR,,BPR"}, {}, "--model 'VBPR,,BPR': a name is missing"),
        ({"dataset": ""}, {}, "--dataset ''"),
        ({"model": "BPR,BPR"}, {}, "'BPR' stands twice"),
        ({"encoder": "permuted"}, {}, "the options: encoders: 'permuted' takes the rows of anoth"),
        ({"paradigm": "frosen"}, {}, "paradigms.0"),
        ({}, {"search": {"trials": 0}}, "search.trials"),
        ({}, {"search": {"early_stopping": "none"}, "no_search": True}, "--early-stopping: leave"),
    ],
)
def test_wrong_flags_are_refused(names, more, told):
    with pytest.raises(UsageError) as error:
        of_flags(names, **more)
    assert told in str(error.value)
