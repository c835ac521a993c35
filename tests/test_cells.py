"""A benchmark becomes cells: each once, resolved and checked, with an identity of its own."""

import pickle

import numpy as np
import pytest

from mmbench.benchmark import read_benchmark
from mmbench.cells import cells, resolved
from mmbench.errors import UsageError
from mmbench.opened import Opened
from mmbench.plan import plan
from mmbench.progress import Silent

ONE = "datasets: [toyshop]\nencoders: [classic]\nrecommenders: [VBPR]\n"


@pytest.fixture
def made(tmp_path, toyshop_home):
    """Return what makes the cells of a YAML text."""

    def crossed(text):
        path = tmp_path / "bench.yaml"
        path.write_text(text)
        return cells(read_benchmark(path), toyshop_home, {"device": "cpu"})

    return crossed


def test_a_cell_holds_all_that_a_search_needs(made, toyshop_home):
    text = ONE + "set: {epochs: 7, eval_step: 2}\nseeds: 2\nsearch: {trials: 4, seed: 3}\n"
    (cell,) = made(text)
    assert cell.name == "toyshop · classic · frozen · VBPR"
    assert cell.seeds == (1, 2)
    assert (cell.search.trials, cell.search.seed, cell.search.algorithm) == (4, 3, "tpe")
    assert cell.space["reg_weight"] == ("log_uniform", (1e-6, 1e-1))
    assert cell.space["learning_rate"] == ("log_uniform", (1e-4, 1e-2))
    assert cell.space["embedding_size"] == ("choice", (32, 64, 128))
    assert (cell.select, cell.evaluations) == ("recall@20", 4)
    assert cell.request["hyperparameters"] == {"epochs": 7, "eval_step": 2}
    assert cell.request["device"] == "cpu"
    assert pickle.loads(pickle.dumps(cell)) == cell
    (planned,) = plan(**cell.request, seeds=[2], home=toyshop_home)
    assert (planned.trial.model, planned.trial.seed) == ("VBPR", 2)
    assert planned.trial.hyperparameters["epochs"] == 7


def test_what_is_not_said_is_the_protocols(made):
    (cell,) = made(ONE)
    assert cell.seeds == (1, 2, 3, 4, 5)
    assert (cell.search.trials, cell.evaluations) == (20, 300)


def test_recommenders_without_features_cross_with_no_encoder(made):
    text = "datasets: [toyshop]\nencoders: [classic, noise, id]\nrecommenders: [VBPR, BPR, Pop]\n"
    found = made(
        text + "set: {epochs: 3}\nfuse: mean\nmissing: zeros\ninject_missing: {fused: 0.3}"
    )
    assert [(cell.model, cell.encoder) for cell in found] == [
        ("VBPR", "classic"),
        ("VBPR", "noise"),
        ("VBPR", "id"),
        ("BPR", "id"),
        ("Pop", "id"),
    ]
    assert found[0].request["fuse"] == "mean"
    assert "fuse" not in found[2].request
    pop = found[4]
    assert (pop.search, pop.space, pop.evaluations) == (None, {}, 1)
    assert pop.request["hyperparameters"] == {}  # it has no epochs that could be set


def test_one_recommender_may_have_encoders_of_its_own(made):
    text = "datasets: [toyshop]\nencoders: [classic]\nrecommenders:\n"
    found = made(text + "  VBPR: {encoders: [noise]}\n  LATTICE:\n")
    assert [(cell.model, cell.encoder) for cell in found] == [
        ("VBPR", "noise"),
        ("LATTICE", "classic"),
    ]


def test_what_is_fixed_is_not_searched(made):
    text = (
        "datasets: [toyshop]\nencoders: [classic]\nset: {learning_rate: 0.001, feature_size: 32}\n"
        "recommenders:\n  VBPR:\n    set: {embedding_size: 16}\n"
        "    space: {feature_size: {choice: [8, 16]}, epochs: {uniform: [5, 10]}}\n"
    )
    (cell,) = made(text)
    assert cell.space.keys() == {"feature_size", "epochs", "reg_weight", "projection_reg_weight"}
    assert cell.space["feature_size"] == ("choice", (8, 16))  # what is said of one wins
    assert cell.request["hyperparameters"] == {"learning_rate": 0.001, "embedding_size": 16}
    assert cell.evaluations == 10


@pytest.mark.parametrize(
    ("search", "algorithm", "trials"),
    [
        ("{}", "grid", 4),  # all four points, not twenty draws of them
        ("{trials: 3}", "tpe", 3),
        ("{trials: 3, algorithm: grid}", "grid", 3),
        ("{trials: 9, algorithm: grid}", "grid", 4),
    ],
)
def test_a_finite_space_is_tried_point_by_point(made, search, algorithm, trials):
    text = "datasets: [toyshop]\nset: {learning_rate: 0.01}\nrecommenders:\n  BPR:\n    space:\n"
    space = "      embedding_size: {choice: [8, 16]}\n      reg_weight: {choice: [0.1, 0.01]}\n"
    (cell,) = made(f"{text}{space}search: {search}\n")
    assert (cell.search.algorithm, cell.search.trials) == (algorithm, trials)


def test_a_grid_of_ranges_counts_its_values(made):
    text = "datasets: [toyshop]\nrecommenders: [BPR]\n"  # 3 sizes, 2 ranges
    search = "search: {algorithm: grid, trials: 99, grid_values: %d}\n"
    assert made(text + search % 3)[0].search.trials == 27
    assert made(text + search % 4)[0].search.trials == 48


def test_without_a_search_there_is_one_point(made):
    (cell,) = made(ONE + "search: false\n")
    assert (cell.search, cell.space) == (None, {})


def identity(made, more):
    (cell,) = made(ONE + more)
    return cell.identity


def test_the_identity_is_of_what_fixes_the_search(made):
    usual = identity(made, "")
    assert usual == identity(made, "seeds: 2\n")
    assert usual == identity(made, "search: {trials: 7}\n")  # a longer one goes on with it
    others = [
        "set: {epochs: 5}\n",
        "set: {reg_weight: 0.01}\n",
        "search: {seed: 1}\n",
        "search: {algorithm: random}\n",
        "search: {round: 2}\n",
        "search: false\n",
        "fuse: concat\n",
        "missing: mean\n",
    ]
    found = [identity(made, more) for more in others]
    assert len({usual, *found}) == len(others) + 1


def test_frozen_takes_an_encoder_as_its_name_says_and_controls_stay_frozen(made):
    text = (
        "datasets: [toyshop]\nencoders: [efficientnet+minilm, noise]\nrecommenders: [VBPR, BPR]\n"
    )
    more = "paradigms: [frozen, end2end]\nadapter: linear\nset: {encoder_learning_rate: 1e-4}\n"
    found = made(text + more + "random_weights: true\n")
    assert [(cell.encoder, cell.paradigm, cell.model) for cell in found] == [
        ("efficientnet+minilm", "frozen", "VBPR"),
        ("efficientnet+minilm", "end2end", "VBPR"),
        ("noise", "frozen", "VBPR"),
        ("id", "frozen", "BPR"),
    ]
    assert found[1].request["hyperparameters"] == {"encoder_learning_rate": 1e-4}
    assert (found[1].request["adapter"], found[0].request["hyperparameters"]) == ("linear", {})


def test_paths_are_those_of_anywhere(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("graph.npz", row=[0, 1], col=[1, 0], val=np.ones(2, np.float32))
    text = ONE.replace("VBPR", "FREEDOM") + "set: {item_graph: graph.npz}\n"
    (cell,) = made(text)
    assert cell.request["hyperparameters"] == {"item_graph": str(tmp_path / "graph.npz")}
    with pytest.raises(UsageError, match="encoder 'classic' reads no weights"):
        made(ONE + "weights: graph.npz\n")


def test_what_is_shared_is_opened_once(toyshop_home, tmp_path):
    (path := tmp_path / "bench.yaml").write_text(ONE.replace("[VBPR]", "[VBPR, LATTICE]"))
    opened = Opened(toyshop_home, Silent())
    found = [planned for _, planned in resolved(read_benchmark(path), {}, opened)]
    assert [planned.trial.model for planned in found] == ["VBPR", "LATTICE"]
    assert found[0].dataset is found[1].dataset
    assert found[0].features is found[1].features
    (alone,) = plan("LATTICE", "classic", "toyshop", home=toyshop_home)
    assert alone.identity == found[1].identity


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ONE.replace("toyshop", "toyshopp"), "toyshopp · classic · frozen · VBPR: dataset 'toysh"),
        (ONE.replace("[VBPR]", "[LATTICE]").replace("classic", "id"), "LATTICE needs at least one"),
        (ONE.replace("encoders: [classic]\n", ""), "encoders: VBPR reads item features"),
        (ONE.replace("VBPR", "BPR, Pop"), "encoders: BPR, Pop read no item features"),
        (ONE + "set: {epohs: 3}\n", "set.epohs: no recommender has it; the nearest is epochs"),
        (ONE + "set: {epochs: 0}\n", "--set epochs=0: expected at least 1"),
        (ONE + "set: {encoder_learning_rate: 0.1}\n", "set.encoder_learning_rate: no recommender"),
        (ONE + "seeds: 9\n", "seeds 9: protocol random has 5"),
        (ONE + "protocol: leave-one-out\n", "was split by protocol 'random'"),
        (ONE + "select: recal@20\n", "select 'recal@20' is not measured by protocol random"),
        (ONE + "select: ndcg@20\n", "protocol random selects by recall@20"),
        (ONE + "paradigms: [finetuned]\n", "'classic' is not finetuned: say how with `finetuning`"),
        (ONE + "paradigms: [end2end]\n", "classic cannot be trained"),
        (ONE + "adapter: lora\n", "adapter trains an encoder: name end2end in `paradigms`"),
        (ONE + "inject_missing: {txt: 0.5}\n", "no modality of 'classic', the nearest is text"),
    ],
)
def test_mistakes_are_told_with_their_place(made, text, told):
    with pytest.raises(UsageError) as error:
        made(text)
    assert told in str(error.value)
    assert "bench.yaml: " in str(error.value)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (
            "space: {reg_wight: {choice: [1]}}",
            "VBPR has no key 'reg_wight'; the nearest is reg_wei",
        ),
        ("space: {reg_weight: {uniform: [1, 0]}}", "recommenders.VBPR.space: reg_weight: [1.0, 0."),
        ("space: {reg_weight: {log_uniform: [0, 1]}}", "log_uniform begins above 0"),
        ("{set: {epochs: 3}, space: {epochs: {choice: [1]}}}", "epochs is both set and searched"),
        ("set: {epoch: 3}", "recommenders.VBPR: VBPR has no key 'epoch'"),
    ],
)
def test_wrong_spaces_are_told_with_their_place(made, wish, told):
    wish = wish if wish.startswith("{") else f"{{{wish}}}"
    with pytest.raises(UsageError) as error:
        made(ONE.replace("[VBPR]", f"{{VBPR: {wish}}}"))
    assert told in str(error.value)
    assert "bench.yaml: " in str(error.value)


def test_encoders_of_a_recommender_that_reads_none_are_refused(made):
    with pytest.raises(UsageError, match=r"recommenders\.BPR\.encoders: BPR reads no item feat"):
        made(ONE.replace("[VBPR]", "{VBPR: {}, BPR: {encoders: [classic]}}"))
