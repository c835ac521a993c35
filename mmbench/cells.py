"""The cells of a benchmark, dataset × encoder × paradigm × recommender: resolved and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from os import PathLike
from typing import Any

from mmbench.benchmark import Benchmark, Search
from mmbench.crossing import Wish, crossed, to_finetune, unusual
from mmbench.datasets.dataset import Dataset
from mmbench.encoder_spec import encoder_spec
from mmbench.errors import UsageError, nearest
from mmbench.finetunings import Finetunings, finetunings, is_made
from mmbench.fingerprint import fingerprint
from mmbench.home import Home
from mmbench.hyperparameters import parameters
from mmbench.opened import Opened
from mmbench.paradigm import FINETUNED
from mmbench.plan import Planned, plan
from mmbench.progress import Progress, Silent
from mmbench.room import Room
from mmbench.search_space import Space, checked, is_finite, size, usual_ranges
from mmbench.specs import (
    Encoding,
    Gaps,
    RecommenderSpec,
    Scalar,
    Tuning,
    recommender_spec,
)
from recbole_ext.defaults import defaults


@dataclass(frozen=True)
class Cell:
    """One cell of a benchmark, of plain values: it can be sent to another process.

    request: keyword arguments of `mmbench.plan.plan` but home, seeds and progress; its
        hyper-parameters are the fixed ones, and what stands in for a default without room.
    seeds: of the trials of the chosen point; the search trains with the first.
    search: None where there is nothing to search. Its trials are never None.
    space: hyper-parameter → ("choice" | "uniform" | "log_uniform", values), as far as the dataset
        has room for it.
    select: the metric that is maximised on validation.
    evaluations: of one training, at most.
    identity: fingerprint of what fixes the results of the search: dataset, features, protocol,
        fixed hyper-parameters, space, how it is drawn, first seed. How many trials it has is not
        among them: a search of more begins with those.
    pending: its encoder has yet to be fine-tuned; until then the request is that of its base.
    """

    dataset: str
    encoder: str
    paradigm: str
    model: str
    request: Mapping[str, Any]
    seeds: tuple[int, ...]
    search: Search | None
    space: Space
    select: str
    evaluations: int
    identity: str
    pending: bool = False

    @property
    def name(self) -> str:
        """What it is called where a person reads it."""
        return " · ".join((self.dataset, self.encoder, self.paradigm, self.model))


@dataclass(frozen=True)
class _Asked:
    """What is asked of a recommender in one paradigm, on whatever dataset and encoder."""

    spec: RecommenderSpec
    space: Space
    fixed: Mapping[str, Scalar]
    usual: Mapping[str, Scalar]  # the defaults, and what is fixed over them


def cells(
    benchmark: Benchmark,
    home: Home | str | PathLike[str] | None = None,
    machine: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    opened: Opened | None = None,
) -> list[Cell]:
    """Return the cells of a benchmark, each once; nothing is encoded or trained.

    A recommender that reads no features makes one cell a dataset. Controls, and recommenders
    that are not trained, stay frozen beside cells of end2end.

    Args:
        benchmark: what is crossed. home: see `Home.of`.
        machine: device, batch_size, workers and eval_memory of `plan`.
        progress: told where a dataset has to be made. opened: what is shared with other plans.

    Raises:
        UsageError: a name, range, path or feature that is not there; the message says where.
    """
    shared = opened or Opened(Home.of(home), progress or Silent())
    return [cell for cell, _ in resolved(benchmark, machine or {}, shared)]


def resolved(
    benchmark: Benchmark, machine: Mapping[str, Any], opened: Opened
) -> list[tuple[Cell, Planned]]:
    """Return the cells, each with the trial of its first seed before anything is searched."""
    wishes = crossed(benchmark)
    kinds = dict.fromkeys((wish.model, wish.joint) for wish in wishes)
    asked = {kind: _asked(benchmark, *kind) for kind in kinds}
    tuned = finetunings(benchmark, machine, opened)
    found: dict[str, tuple[Cell, Planned]] = {}
    for wish in wishes:
        try:
            how = asked[wish.model, wish.joint]
            if to_finetune(wish):
                cell, planned = _finetuned(wish, benchmark, how, machine, opened, tuned)
            else:
                cell, planned = _cell(wish, benchmark, how, machine, opened)
        except UsageError as error:
            raise UsageError(f"{benchmark.where}: {wish.name}: {error}") from error
        found.setdefault(cell.identity, (cell, planned))
    return list(found.values())


def _asked(benchmark: Benchmark, model: str, joint: bool) -> _Asked:
    spec, wish = recommender_spec(model), benchmark.recommenders[model]
    known = parameters(spec, joint)
    where = f"{benchmark.where}: recommenders.{model}.space"
    # What only end2end has stays out of the other cells of this recommender.
    own = {key: said for key, said in wish.space.items() if key in known}
    ranges = {key: checked(key, said, known, where) for key, said in own.items()}
    fixed = {key: value for key, value in (benchmark.set | wish.set).items() if key in known}
    space = {key: usual for key, usual in usual_ranges(known).items() if key not in fixed} | ranges
    fixed = {key: value for key, value in fixed.items() if key not in ranges}
    usual = defaults(model, joint) | fixed
    return _Asked(spec, dict(sorted(space.items())), fixed, usual)


def _with_room(asked: _Asked, benchmark: Benchmark, dataset: Dataset) -> _Asked:
    """Return what is asked without the values to search that no point on the dataset could take."""
    if benchmark.search is None or not asked.spec.trained:
        return asked
    room = Room(asked.spec, asked.usual, dataset.name, dataset.manifest["counts"])
    space, fixed = room.within(asked.space)
    return replace(asked, space=space, fixed={**asked.fixed, **fixed})


def _cell(
    wish: Wish, benchmark: Benchmark, asked: _Asked, machine: Mapping[str, Any], opened: Opened
) -> tuple[Cell, Planned]:
    asked = _with_room(asked, benchmark, opened.dataset(wish.dataset))
    request = {**machine, **_used(wish, benchmark), "hyperparameters": asked.fixed}
    request |= {"model": wish.model, "encoder": wish.encoder, "dataset": wish.dataset}
    request |= {"paradigm": wish.paradigm, "protocol": benchmark.protocol}
    planned = plan(**request, home=opened.home, opened=opened)[0]
    _check_select(benchmark, planned)
    search = _search(benchmark, asked, planned)
    space = asked.space if search else {}
    trial = planned.trial
    cell = Cell(
        dataset=trial.dataset,
        encoder=trial.encoder,
        paradigm=trial.paradigm,
        model=trial.model,
        request={**request, **_everywhere(planned, request)},
        seeds=_seeds(benchmark, planned),
        search=search,
        space=space,
        select=planned.protocol.select,
        evaluations=_evaluations(asked.spec, space, planned),
        identity=_identity(planned, space, search),
    )
    return cell, planned


def _finetuned(
    wish: Wish,
    benchmark: Benchmark,
    asked: _Asked,
    machine: Mapping[str, Any],
    opened: Opened,
    tuned: Finetunings,
) -> tuple[Cell, Planned]:
    """Return a cell of a fine-tuned encoder; one that is not made yet is checked as it stands."""
    made = tuned[wish.dataset, str(wish.encoder)]
    if is_made(made):
        return _cell(replace(wish, encoder=made.name), benchmark, asked, machine, opened)
    cell, planned = _cell(replace(wish, paradigm="frozen"), benchmark, asked, machine, opened)
    identity = fingerprint({"of": cell.identity, "finetuned": made.fingerprint})
    named = replace(cell, encoder=made.name, paradigm=FINETUNED, identity=identity, pending=True)
    return named, planned


def _used(wish: Wish, benchmark: Benchmark) -> dict[str, Any]:
    """Return what is asked of encoders and gaps, where there is an encoder with vectors."""
    spec = encoder_spec(wish.encoder) if wish.encoder is not None else None
    if spec is None or not (spec.modalities or spec.of):
        return {}
    used = {**unusual(benchmark, Encoding), **unusual(benchmark, Gaps)}
    if spec.finetuned is not None or (spec.control and spec.of is None):
        used.pop("weights", None)
    return used | (unusual(benchmark, Tuning) if wish.joint else {})


def _seeds(benchmark: Benchmark, planned: Planned) -> tuple[int, ...]:
    rules = planned.protocol
    if benchmark.seeds is not None and benchmark.seeds > len(rules.seeds):
        raise UsageError(f"seeds {benchmark.seeds}: protocol {rules.name} has {len(rules.seeds)}")
    return rules.seeds[: benchmark.seeds]


def _check_select(benchmark: Benchmark, planned: Planned) -> None:
    rules, asked = planned.protocol, benchmark.select
    measured = [f"{metric}@{k}" for metric in rules.metrics for k in rules.cutoffs]
    if asked is not None and asked not in measured:
        told = nearest(asked, measured)
        raise UsageError(f"select '{asked}' is not measured by protocol {rules.name}: {told}")
    if asked not in (None, rules.select):
        raise UsageError(
            f"select '{asked}': protocol {rules.name} selects by {rules.select}: "
            "leave it out, or name another protocol"
        )


def _search(benchmark: Benchmark, asked: _Asked, planned: Planned) -> Search | None:
    """Return the search with its trials; a space of fewer points is tried point by point."""
    wished, space = benchmark.search, asked.space
    if wished is None or not space or not asked.spec.trained:
        return None
    trials = wished.trials or planned.protocol.search_trials
    points = size(space, wished.grid_values)
    if wished.algorithm == "grid" or (is_finite(space) and points <= trials):
        return wished.model_copy(update={"algorithm": "grid", "trials": min(trials, points)})
    return wished.model_copy(update={"trials": trials})


def _everywhere(planned: Planned, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and paths of a request as they are everywhere, whatever the folder."""
    trial = planned.trial
    paths = {"weights": trial.weights} if "weights" in request else {}
    fixed = {key: trial.hyperparameters[key] for key in request["hyperparameters"]}
    named = {name: getattr(trial, name) for name in ("model", "encoder", "dataset", "paradigm")}
    return {**named, "protocol": trial.protocol, "hyperparameters": fixed, **paths}


def _evaluations(spec: RecommenderSpec, space: Space, planned: Planned) -> int:
    if not spec.trained:
        return 1

    def values(key: str) -> Sequence[Any]:
        return space[key][1] if key in space else (planned.trial.hyperparameters[key],)

    return ceil(int(max(values("epochs"))) / int(min(values("eval_step"))))


def _identity(planned: Planned, space: Space, search: Search | None) -> str:
    said: dict[str, Any] = {"trial": planned.identity, "seed": planned.trial.seed}
    if search is not None:
        said["search"] = search.model_dump(mode="json", exclude={"trials"})
        said["space"] = space
    return fingerprint(said)
