"""The loops of benchmarks/speed compute what they say; how fast they are is never tested."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

from benchmarks.speed import bare, data, floor, ours, peers  # noqa: E402
from benchmarks.speed.contests import Contest, Entry, bare_model, bare_train  # noqa: E402
from benchmarks.speed.plots import draw  # noqa: E402
from benchmarks.speed.report import Floor, Report  # noqa: E402
from benchmarks.speed.rounds import Result, hold, ratio  # noqa: E402
from benchmarks.speed.scaling import Point, exponent, shop  # noqa: E402
from benchmarks.speed.turns import CUTOFFS, Job  # noqa: E402
from recbole_ext.run import evaluate, fit  # noqa: E402

TINY = data.Size(80, 60, 500, (7, 5))
METRICS = ("recall", "precision", "ndcg", "map", "mrr", "hit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data.write(tmp_path_factory.mktemp("bench"), TINY)


@pytest.fixture
def job(folder):
    return Job(folder, TINY, "BPR", "train", batch=64, dim=6)


def test_what_is_generated_has_the_size_asked_for():
    made = data.generate(TINY, seed=4)
    assert made.train.shape == (500, 2)
    assert len(np.unique(made.train, axis=0)) == 500
    assert set(made.train[:, 0]) == set(range(80))
    assert set(made.train[:, 1]) == set(range(60))
    assert [matrix.shape for matrix in made.features] == [(60, 7), (60, 5)]
    known = set(map(tuple, made.train))
    assert len(made.test) == 80
    assert not known & set(map(tuple, made.test))
    assert (data.generate(TINY, seed=4).train == made.train).all()
    assert (data.generate(TINY, seed=5).train != made.train).any()


def test_an_impossible_size_is_refused():
    with pytest.raises(ValueError, match="interactions must be from 160 to a quarter"):
        data.generate(replace(TINY, interactions=1300))


@pytest.fixture
def pair(job):
    """A function that makes our model and the bare one of a name, with the same parameters."""

    def made(name, **options):
        task = replace(job, model=name, options=tuple(options.items()))
        fitted = fit(*ours.prepared(task, 1))
        train = torch.from_numpy(data.read(job.folder, TINY).train)
        plain = bare_model(task, train)
        COPIES[name](plain, dict(fitted.model.named_parameters()), task.dim)
        return fitted, plain

    return made


def _copy_tables(plain, given, _dim):
    rows = torch.cat([value.detach() for value in given.values()])  # users, then items
    rows = torch.cat([rows[1 : TINY.users + 1], rows[TINY.users + 2 :]])  # without the padding rows
    with torch.no_grad():
        for table, part in zip(
            plain.parameters, rows.split(list(map(len, plain.parameters))), strict=True
        ):
            table.copy_(part)


def _copy_vbpr(plain, given, dim):
    given = {name: value.detach() for name, value in given.items()}
    with torch.no_grad():
        plain.user[:, :dim] = given["gamma_u.weight"][1:]
        plain.user[:, dim:] = given["theta_u.weight"][1:]
        plain.item[:, :dim] = given["gamma_i.weight"][1:]
        plain.item[:, dim:] = given["beta_i.weight"][1:]
        for column, name in ((slice(0, dim), "E"), (slice(dim, dim + 1), "beta_prime")):
            weights = [given[f"{name}.{place}.weight"].T for place in range(2)]
            plain.projection[:, column] = torch.cat(weights)


COPIES = {"BPR": _copy_tables, "LightGCN": _copy_tables, "VBPR": _copy_vbpr}


@pytest.mark.parametrize("name", COPIES)
def test_the_bare_loss_and_scores_are_those_of_our_model(pair, name):
    fitted, plain = pair(name)
    user, item = torch.from_numpy(data.read(Path(fitted.config["data_path"]), TINY).train[:50]).T
    negative = torch.randint(TINY.items, (50,), generator=torch.Generator().manual_seed(0))
    batch = {"user_id": user + 1, "item_id": item + 1, "neg_item_id": negative + 1}
    theirs = fitted.model.train().calculate_loss(Interaction(batch))
    assert plain.loss(user, item, negative).item() == pytest.approx(theirs.item(), rel=1e-5)
    users, items = plain.vectors()
    every = Interaction({"user_id": torch.arange(1, TINY.users + 1)})
    scores = fitted.model.eval().full_sort_predict(every).view(TINY.users, -1)[:, 1:]
    assert torch.allclose(users @ items.T, scores, atol=1e-5)


@pytest.mark.parametrize("name", COPIES)
def test_the_bare_gradients_are_those_of_a_dense_implementation(job, name):
    """The symmetric backward and the single gathers lose nothing: checked by differences."""
    train = torch.from_numpy(data.read(job.folder, TINY).train)
    torch.manual_seed(0)
    plain = bare_model(replace(job, model=name), train)
    user, item = train[:20].T
    negative = torch.arange(20)
    plain.loss(user, item, negative).backward()
    for table in plain.parameters:
        place = int(table.grad.abs().argmax())
        with torch.no_grad():
            steps = []
            for step in (1e-2, -1e-2):
                table.view(-1)[place] += step
                steps.append(plain.loss(user, item, negative).item())
                table.view(-1)[place] -= step
        slope = (steps[0] - steps[1]) / 2e-2
        assert slope == pytest.approx(table.grad.view(-1)[place].item(), rel=2e-2)


def test_the_bare_negatives_are_never_positives(job):
    train = torch.from_numpy(data.read(job.folder, TINY).train)
    keys = (train[:, 0] * TINY.items + train[:, 1]).sort().values
    user = train[:, 0].repeat(50)
    drawn = bare.negatives(user, keys, TINY.items)
    assert not set(keys.tolist()) & set((user * TINY.items + drawn).tolist())
    assert set(drawn.tolist()) == set(range(TINY.items))


def test_the_bare_loop_learns(job):
    train = torch.from_numpy(data.read(job.folder, TINY).train)
    losses = []
    for epochs in (1, 60):
        torch.manual_seed(0)
        model = bare_model(job, train)
        losses.append(bare.train(model, train, TINY.items, 64, epochs, lambda: None))
    assert losses[1] < 0.97 * losses[0]


def test_the_bare_ranking_is_that_of_our_evaluator(pair):
    fitted, plain = pair("BPR", mask={"valid": ["train"], "test": ["train"]})
    made = data.read(Path(fitted.config["data_path"]), TINY)
    train = torch.from_numpy(made.train)
    masked = train[train[:, 0].argsort()]
    ranked = bare.rank(plain.vectors(), torch.from_numpy(made.test), masked, list(CUTOFFS), 13)
    theirs = evaluate(fitted, "test").mean()
    for name in METRICS:
        for k in CUTOFFS:
            assert float(ranked[f"{name}@{k}"].mean()) == pytest.approx(theirs[f"{name}@{k}"])


def test_a_contest_is_held_in_turn_and_written(job, tmp_path):
    entries = Entry("bare loop", bare_train), Entry("Cornac", peers.cornac_train)
    contest = Contest("LightGCN, epoch", "LightGCN", "train", entries, units=2)
    results = hold(contest, job, rounds=2)
    assert [len(result.rounds) for result in results] == [2, 0]
    assert re.match("not installed|needs DGL", results[1].note)
    machine = floor.Machine(1e9, 1e9, 1e9)
    floors = [Floor("LightGCN, epoch", machine, tuple(floor.parts(job)), floor.touched_share(job))]
    point = Point("BPR", "interactions", TINY, 64, tuple(results[:1]))
    report = Report({"cores": 2}, {"torch": "2"}, {"batch": 64}, results, floors, [point])
    report.write(tmp_path)
    values = json.loads((tmp_path / "results.json").read_text())
    assert [result["system"] for result in values["results"]] == ["bare loop", "Cornac"]
    assert values["results"][0]["times_bare"] == 1
    table = (tmp_path / "table.md").read_text()
    assert "| LightGCN, epoch | Cornac" in table
    assert "## The floor of LightGCN, epoch" in table
    drawn = draw(report, tmp_path / "plot.png")
    assert drawn == (tmp_path / "plot.png").exists()


def test_ratios_are_taken_within_a_round():
    slow = Result("a", "slow", (2.0, 20.0, 2.0))
    fast = Result("a", "fast", (1.0, 10.0, 1.0))
    assert ratio(slow, fast) == 2
    assert ratio(Result("a", "absent"), fast) is None


def test_the_exponent_is_the_slope_from_a_hundred_thousand_on():
    def point(n, seconds):
        return Point("c", "interactions", shop(n), 1, (Result("c", "ours", (seconds,)),))

    points = [point(10**4, 99.0), point(10**5, 2.0), point(10**6, 200.0)]
    assert exponent(points, "ours") == pytest.approx(2)
    assert exponent(points[:2], "ours") is None


def test_the_floor_counts_what_an_epoch_moves(job):
    parts = {part.name: part for part in floor.parts(replace(job, model="LightGCN"))}
    steps, table = 8, 140 * 6 * 4  # 500 interactions in batches of 64; users and items, bytes
    assert parts["Adam"].bytes == steps * 7 * table
    assert parts["products with the graph"].operations == steps * 4 * 2 * 1000 * 6
    ranking = {part.name: part for part in floor.parts(replace(job, task="rank"))}
    assert ranking["scores"].operations == 2 * 80 * 60 * 6


def test_recbole_trains_and_ranks_as_it_is(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # RecBole writes it: restored afterwards
    for system, model in ((peers.recbole_train, "LightGCN"), (peers.recbole_rank, "BPR")):
        ticks = iter(range(3))

        def tick(ticks=ticks):
            if next(ticks) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            system(replace(job, model=model), tick)
