"""`mmbench sweep`: its options, and what it prints."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbench import options as opt

if TYPE_CHECKING:
    from mmbench.sweeps.sweep import Outcome

FAILED = 1

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[BENCHMARK.yaml]", help="what is crossed with what")
]
ModelOption = Annotated[str | None, typer.Option(help="recommenders, with commas")]
EncoderOption = Annotated[str | None, typer.Option(help="encoders, with commas")]
DatasetOption = Annotated[str | None, typer.Option(help="datasets, with commas")]
ParadigmOption = Annotated[str | None, typer.Option(help="paradigms, with commas (frozen)")]
ProtocolOption = Annotated[str | None, typer.Option(help="the protocol (the datasets')")]
TrialsOption = Annotated[
    int | None, typer.Option(min=1, help="points of each search (the protocol's)")
]
SearchOption = Annotated[str | None, typer.Option(help="tpe (usual), random or grid")]
NoSearchOption = Annotated[bool, typer.Option("--no-search", help="train the defaults")]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, help="seeds of each chosen point (all of the protocol's)")
]
CpusEachOption = Annotated[
    float, typer.Option("--cpus-per-trial", min=0.1, help="processors of each training")
]
GpusEachOption = Annotated[
    float | None,
    typer.Option("--gpus-per-trial", min=0, help="as 0.25, so that four share one (1 if any)"),
]
MemoryEachOption = Annotated[
    int | None,
    typer.Option("--memory-per-trial", min=1, help="MiB (what records of such trials took)"),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, help="trainings at once (as many as there is room for)")
]
RetriesOption = Annotated[int, typer.Option(min=0, help="of a training that fails")]
RetryFailedOption = Annotated[
    bool, typer.Option("--retry-failed", help="train again what failed in an earlier sweep")
]
AddressOption = Annotated[
    str | None, typer.Option(help="HOST:PORT of a Ray cluster, or auto (this machine alone)")
]
CpusOption = Annotated[
    int | None, typer.Option(min=1, help="processors of this machine that are used (all)")
]
DashboardOption = Annotated[
    bool, typer.Option("--dashboard", help="show Ray's dashboard, on this machine only")
]
LogOption = Annotated[
    list[str] | None, typer.Option(help="tensorboard, wandb or mlflow; repeatable")
]


def sweep(
    benchmark: FileArgument = None,
    model: ModelOption = None,
    encoder: EncoderOption = None,
    dataset: DatasetOption = None,
    paradigm: ParadigmOption = None,
    protocol: ProtocolOption = None,
    trials: TrialsOption = None,
    search: SearchOption = None,
    no_search: NoSearchOption = False,
    seeds: SeedsOption = None,
    set_: opt.SetOption = None,
    cpus_per_trial: CpusEachOption = 1,
    gpus_per_trial: GpusEachOption = None,
    memory_per_trial: MemoryEachOption = None,
    concurrency: ConcurrencyOption = None,
    retries: RetriesOption = 1,
    retry_failed: RetryFailedOption = False,
    address: AddressOption = None,
    cpus: CpusOption = None,
    dashboard: DashboardOption = False,
    log: LogOption = None,
    home: opt.HomeOption = None,
    device: opt.DeviceOption = "auto",
    as_json: opt.JsonOption = False,
) -> None:
    """Fill a grid of datasets, encoders and recommenders with tuned, seeded trials."""
    from mmbench.request import flags

    asked: dict[str, Any] = {"file": benchmark, "no_search": no_search, "seeds": seeds}
    asked["names"] = flags(model, encoder, dataset, protocol, paradigm)
    asked["search"] = {"trials": trials, "algorithm": search}
    way: dict[str, Any] = {"cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus_per_trial}
    way |= {"memory_per_trial": memory_per_trial, "concurrency": concurrency, "cpus": cpus}
    way |= {"retries": retries, "retry_failed": retry_failed, "device": device}
    way |= {"address": address, "dashboard": dashboard, "log": log or ()}
    _print(_stoppable(asked, set_ or [], way, home), home, as_json)


def _stoppable(*asked: Any) -> "Outcome":
    try:
        return _run(*asked)
    except KeyboardInterrupt:
        print("mmbench: stopped; the same command goes on where it stands", file=sys.stderr)
        raise typer.Exit(FAILED) from None


def _run(
    asked: dict[str, Any], settings: list[str], way: dict[str, Any], home: str | None
) -> "Outcome":
    from mmbench.benchmark import of_flags
    from mmbench.home import Home
    from mmbench.request import setting
    from mmbench.sweeps.address import check_address

    # Names, keys and the address are checked before anything heavy is imported.
    benchmark = of_flags(settings=dict(map(setting, settings)), **asked)
    if way["address"] is not None:
        check_address(way["address"])

    from mmbench.console import console
    from mmbench.sweeps.verb import Way, swept
    from mmbench.sweeps.watch import watching

    return swept(benchmark, Home.find(home), Way(**way), console, watching)


def _print(outcome: "Outcome", home: str | None, as_json: bool) -> None:
    from mmbench.home import Home

    if as_json:
        told = [record.values for record in outcome.records]
        shown = {"records": told, "failed": list(outcome.failed)}
        print(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        good = sum(record.status == "ok" for record in outcome.records)
        print(f"{good} records in {Home.find(home).results}: see `mmbench leaderboard`")
    if not outcome.failed:
        return
    for line in outcome.failed:
        print(line, file=sys.stderr)
    again = "the same command trains failed seeds again; a failed point, if its file is deleted"
    print(f"{len(outcome.failed)} failed: {again}", file=sys.stderr)
    raise typer.Exit(FAILED)
