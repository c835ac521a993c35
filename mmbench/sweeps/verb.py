"""The verb `sweep`: a benchmark resolved, Ray connected, features encoded, cells filled."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ray import tune

from mmbench.benchmark import Benchmark, of_flags
from mmbench.cells import Cell, cells
from mmbench.errors import UsageError
from mmbench.finetunings import make_all
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.paradigm import END2END
from mmbench.progress import Progress, Silent
from mmbench.specs import Scalar
from mmbench.sweeps.address import check_address
from mmbench.sweeps.cluster import connected, most_of
from mmbench.sweeps.encoding import encode_all, folders, wanted
from mmbench.sweeps.history import History
from mmbench.sweeps.memory import expected_mb
from mmbench.sweeps.parcel import Post, everywhere
from mmbench.sweeps.sweep import Outcome, Resources, run_cells
from mmbench.sweeps.tracking import check_tracker, trackers

Names = str | Sequence[str] | None
Watching = Callable[[Sequence[Cell], Home], AbstractContextManager[tune.Callback]]


@dataclass(frozen=True)
class Way:
    """How a sweep is run; nothing here changes what comes out of it.

    gpus_per_trial: a whole one where there is any and it is None. memory_per_trial: in MiB; what
    records of the same dataset and recommender took where it is None. concurrency: trainings at
    once. retries: of a training that fails. retry_failed: train what failed in an earlier sweep
    again. address, cpus, dashboard: see `mmbench.sweeps.cluster.connected`. log: trackers, see
    `mmbench.sweeps.tracking`.
    device, batch_size, workers, eval_memory: see `mmbench.plan.plan`.
    """

    cpus_per_trial: float = 1
    gpus_per_trial: float | None = None
    memory_per_trial: int | None = None
    concurrency: int | None = None
    retries: int = 1
    retry_failed: bool = False
    address: str | None = None
    cpus: int | None = None
    dashboard: bool = False
    log: Sequence[str] = ()
    device: str = "auto"
    batch_size: int | str = "auto"
    workers: int | None = None
    eval_memory: int | None = None


def sweep(
    benchmark: Benchmark | str | PathLike[str] | None = None,
    *,
    model: Names = None,
    encoder: Names = None,
    dataset: Names = None,
    paradigm: Names = None,
    protocol: str | None = None,
    hyperparameters: Mapping[str, Scalar] | None = None,
    search: Mapping[str, Any] | bool | None = None,
    seeds: int | None = None,
    home: Home | str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **way: Any,
) -> Outcome:
    """Fill a grid with tuned, seeded cells; what is already recorded is read.

    Args:
        benchmark: one, or the path of its YAML. model, encoder, dataset, paradigm: names, of
            which each is crossed with each; they win over the YAML.
        protocol: the datasets' own where it is left out. hyperparameters: fixed ones, of all.
        search: fields of `mmbench.benchmark.Search`; False trains the defaults.
        seeds: how many of the protocol's, for the chosen point of each cell; all of them.
        home: see `Home.of`. progress: told about long work. way: fields of `Way`.

    Raises:
        UsageError: anything a person can mend.
    """
    if not isinstance(benchmark, Benchmark):
        names = {"model": model, "encoder": encoder, "dataset": dataset, "paradigm": paradigm}
        benchmark = of_flags(
            {**{name: _text(said) for name, said in names.items()}, "protocol": protocol},
            hyperparameters,
            Path(benchmark) if benchmark is not None else None,
            search=search if isinstance(search, Mapping) else None,
            no_search=search is False,
            seeds=seeds,
        )
    shown = progress or Silent()
    return swept(benchmark, Home.of(home), Way(**way), lambda: nullcontext(shown))


def _text(names: Names) -> str | None:
    return names if names is None or isinstance(names, str) else ",".join(names)


def swept(
    benchmark: Benchmark,
    home: Home,
    way: Way,
    showing: Callable[[], AbstractContextManager[Progress]],
    watching: Watching | None = None,
) -> Outcome:
    """Fill the cells of a benchmark.

    Args:
        showing: gives the progress of what goes before the trainings; watching: gives what
            watches these. One ends before the other begins.

    Raises:
        UsageError: anything a person can mend. KeyboardInterrupt: it was stopped.
    """
    _check(way)
    machine = {name: getattr(way, name) for name in ("device", "batch_size", "workers")}
    with showing() as progress:
        opened = Opened(home, progress)
        make_all(benchmark, machine, opened, progress)
        made = cells(benchmark, home, machine | {"eval_memory": way.eval_memory}, progress, opened)
    home.require_writable()
    for cell in made if way.retry_failed else ():
        History.of(cell, home).forget_failed()
    with connected(way.address, way.cpus, dashboard=way.dashboard) as dashboard:
        with showing() as progress:
            if dashboard:
                progress.say(f"Ray's dashboard: {dashboard}")
            post = _encoded(made, home, opened, progress)
        try:
            return _run(made, home, way, opened, post, watching)
        finally:
            if post:
                post.take_away()


def _check(way: Way) -> None:
    """Refuse at once what a person can mend before anything is planned."""
    if way.device.startswith("cuda:"):
        raise UsageError(
            f"--device {way.device}: a sweep shares the GPUs out itself: write cuda, or auto"
        )
    for name in way.log:
        check_tracker(name)
    if way.address is not None:
        check_address(way.address)


def _encoded(made: Sequence[Cell], home: Home, opened: Opened, progress: Progress) -> Post | None:
    """Make the features that are missing; return what is sent where the home is not seen."""
    waves = wanted(made, home, opened)
    post = None
    if not everywhere(home):
        post = Post(home, pictures=bool(waves) or any(cell.paradigm == END2END for cell in made))
        progress.say("not every machine sees the home: what they need is sent, records come back")
    encode_all(waves, home, progress, post)
    return post


def _run(
    made: Sequence[Cell],
    home: Home,
    way: Way,
    opened: Opened,
    post: Post | None,
    watching: Watching | None,
) -> Outcome:
    with watching(made, home) if watching else nullcontext(None) as watch:
        return run_cells(
            made,
            home,
            _resources(way, made, home),
            retries=way.retries,
            callbacks=[*([watch] if watch else []), *trackers(way.log, made, home)],
            parcels=post.parcels(folders(made, home, opened)) if post else None,
            store_to_driver=post is not None,
        )


def _resources(way: Way, made: Sequence[Cell], home: Home) -> Resources:
    gpus, memory = way.gpus_per_trial, way.memory_per_trial
    if gpus is None:
        gpus = 1 if most_of("GPU") >= 1 and way.device != "cpu" else 0
    if memory is None:
        expected = expected_mb(made, home)
        # A training that is expected to take more than there is runs alone.
        memory = expected and min(expected, int(most_of("memory") / 2**20))
    return Resources(way.cpus_per_trial, gpus, memory, way.concurrency)
