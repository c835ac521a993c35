"""`mmbench publish`: its options, and what it prints."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError

FolderArgument = Annotated[Path, typer.Argument(help="the folder of a benchmark.yaml")]
ResultsArgument = Annotated[
    list[Path] | None, typer.Argument(help="folders of records, or records (the home's)")
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="only say whether what is published there is sound")
]

PerUserOption = Annotated[
    str, typer.Option("--per-user", help="publish these metrics of every user, too: recall@20,…")
]


def publish(
    folder: FolderArgument,
    results: ResultsArgument = None,
    per_user: PerUserOption = "",
    check: CheckOption = False,
    home: opt.HomeOption = None,
) -> None:
    """Validate the records of a benchmark and write records.jsonl and leaderboard.md beside it.

    Fingerprints, seeds, the choice of every search and each metric, which is computed again from
    its users: where one is wrong, nothing is written. With --check, nothing ever is.
    """
    if check:
        _check(folder, results, per_user)
        return
    from mmbench.console import console
    from mmbench.home import Home
    from mmbench.publication.gaps import told
    from mmbench.publication.publish import publish as published
    from mmbench.publication.refusal import RefusedError

    try:
        users = [name.strip() for name in per_user.split(",") if name.strip()]
        with console() as shown:
            made = published(folder, results or None, Home.find(home), shown, users)
    except RefusedError as refused:
        _say(f"mmbench: {line}" for line in str(refused).splitlines())
        raise typer.Exit(2) from refused
    _say(f"left out: {line}" for line in made.left_out)
    _say(f"not there yet: {line}" for line in told(made.gaps))
    print(f"{len(made.records)} records, {len(made.gaps)} cells not whole: {made.folder}")


def _check(folder: Path, results: list[Path] | None, per_user: str) -> None:
    from mmbench.publication.check import check_published

    if results:
        raise UsageError("--check reads what is published: leave out the RESULTS")
    if per_user:
        raise UsageError("--check reads what is published: leave out --per-user")
    wrong = check_published(folder)
    _say(wrong)
    if wrong:
        raise typer.Exit(1)
    print(f"{folder}: sound")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
