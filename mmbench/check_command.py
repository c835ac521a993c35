"""`mmbench check`: the installation, or a benchmark before it begins."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError

FAILED = 1

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="a benchmark YAML; else the installation")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, help="of a benchmark: trials at once (one a core)")
]


def check(
    file: FileArgument = None,
    concurrency: ConcurrencyOption = None,
    home: opt.HomeOption = None,
    as_json: opt.JsonOption = False,
) -> None:
    """Say what is installed and what is missing; of a benchmark: its cells, trials and time."""
    if file is not None:
        _benchmark(file, concurrency, home, as_json)
        return
    if concurrency is not None:
        raise UsageError("--concurrency is for a benchmark: mmbench check FILE --concurrency N")
    _installation(home, as_json)


def _benchmark(file: Path, concurrency: int | None, home: str | None, as_json: bool) -> None:
    from mmbench.benchmark import read_benchmark
    from mmbench.home import Home

    asked = read_benchmark(file)  # what is wrong in it is told before anything heavy is imported
    from mmbench.benchmark_check import check_benchmark
    from mmbench.console import console

    with console() as shown:
        found = check_benchmark(asked, Home.find(home), concurrency, progress=shown)
    print(json.dumps(found.values(), indent=1, ensure_ascii=False) if as_json else found.text())


def _installation(home: str | None, as_json: bool) -> None:
    from mmbench.checkup import check as checked
    from mmbench.home import Home

    found = checked(Home.find(home))
    if as_json:
        print(json.dumps({"facts": found.facts, "troubles": found.troubles}, indent=1))
    else:
        for name, value in found.facts.items():
            print(f"{name:<16} {value}")
        for trouble, remedy in found.troubles.items():
            print(f"trouble: {trouble}\n    try: {remedy}")
        print("everything needed is here" if not found.troubles else "")
    if found.troubles:
        raise typer.Exit(FAILED)
