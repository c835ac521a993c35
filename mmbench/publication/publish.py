"""The verb: records of a benchmark, validated, into the folder of its YAML."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.atomic import whole_file
from mmbench.benchmark import Benchmark, read_benchmark
from mmbench.board.sources import every
from mmbench.cells import resolved
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.progress import Progress, Silent
from mmbench.publication.cell import Place
from mmbench.publication.check import BENCHMARK, TABLES
from mmbench.publication.collection import problems as collection_problems
from mmbench.publication.gaps import Gap, gaps
from mmbench.publication.lines import lines
from mmbench.publication.portable import PATH
from mmbench.publication.refusal import RefusedError
from mmbench.publication.soundness import problems as soundness_problems
from mmbench.publication.tables import tables
from mmbench.publication.vectors import name_problems, packed, told
from mmbench.publication.vectors import problems as vector_problems
from mmbench.records import LINES, USERS_FILE, Record, parsed

Places = str | PathLike[str] | Iterable[str | PathLike[str]]


@dataclass(frozen=True)
class Published:
    """What was published.

    folder: where records.jsonl and leaderboard.md are. records: as they were found, by cell.
    gaps: the cells that are not whole. left_out: what is no record, or was stopped, a line each.
    """

    folder: Path
    records: tuple[Record, ...]
    gaps: tuple[Gap, ...]
    left_out: tuple[str, ...]


def publish(
    folder: str | PathLike[str],
    results: Places | None = None,
    home: Home | str | PathLike[str] | None = None,
    progress: Progress | None = None,
    per_user: Sequence[str] = (),
) -> Published:
    """Write records.jsonl and leaderboard.md of a benchmark beside its benchmark.yaml.

    Args:
        folder: of benchmark.yaml. results: folders of records, or records; the home's, if left out.
        home: in which it was swept; its datasets and encoders say which cells there are.
        progress: told where a dataset has to be made.
        per_user: metrics ("recall@20") of every user that are published in per_user.npz, too;
            others can test over users then, and `--check` computes these metrics again.

    Raises:
        RefusedError: a UsageError with all that is wrong with the records; what stood there stays.
        UsageError: no benchmark.yaml, a folder that is not there, no record of the benchmark.
    """
    place, where = Path(folder), Home.of(home)
    if not (place / BENCHMARK).is_file():
        raise UsageError(f"{place / BENCHMARK}: not there: name the folder of a benchmark")
    benchmark = read_benchmark(place / BENCHMARK)
    found = list(_found(_places(results) or [where.results]))
    places = _cells(benchmark, Opened(where, progress or Silent()))
    records, left_out, wrong = _of_benchmark(places, [r for r in found if isinstance(r, Record)])
    if wrong:
        raise RefusedError(str(place), wrong)
    if not records:
        told_of = ", ".join(map(str, _places(results) or [where.results]))
        raise UsageError(f"{place}: no record of it in {told_of}: run `mmbench sweep` first")
    _write(place, benchmark, records, packed(records, per_user) if per_user else {})
    left_out += [str(one) for one in found if isinstance(one, UsageError)]
    return Published(place, tuple(records), tuple(gaps(benchmark, records)), tuple(left_out))


def _places(results: Places | None) -> list[Path]:
    if results is None:
        return []
    return [Path(results)] if isinstance(results, str | PathLike) else list(map(Path, results))


def _found(places: Iterable[Path]) -> Iterator[Record | UsageError]:
    """Yield every record below some folders, each file once."""
    seen: set[Path] = set()
    for place in places:
        for one in every(place):
            if isinstance(one, Record):
                if one.path.resolve() in seen:
                    continue
                seen.add(one.path.resolve())
            yield one


def _cells(benchmark: Benchmark, opened: Opened) -> list[Place]:
    return [Place(cell, planned) for cell, planned in resolved(benchmark, {}, opened)]


def _of_benchmark(
    places: Sequence[Place], found: Iterable[Record]
) -> tuple[list[Record], list[str], list[str]]:
    """Return the records of a benchmark by cell and seed, those stopped, and all that is wrong.

    A record of the same dataset, encoder and recommender that is not sound is wrong wherever it
    would belong: what was changed in it may be just that.
    """
    own: dict[int, list[Record]] = {number: [] for number in range(len(places))}
    stopped, wrong = [], []
    for record in found:
        near = [number for number, place in enumerate(places) if place.named(record)]
        if not near:
            continue
        if record.status == "stopped":
            stopped.append(f"{record.path}: stopped, it is not published")
            continue
        lines = [*_machines_path(record), *soundness_problems(record), *name_problems(record)]
        holds = [] if lines else [number for number in near if places[number].holds(record)]
        lines += vector_problems(record) if holds else []
        wrong += [f"{record.path}: {line}" for line in lines]
        for number in holds[:1]:
            own[number].append(record)
    records = [r for each in own.values() for r in sorted(each, key=lambda r: r.trial["seed"])]
    return records, stopped, [*wrong, *collection_problems(records)]


def _machines_path(record: Record) -> Iterator[str]:
    """Yield a line where the encoder is named by a path that others have not."""
    name = str(record.trial["encoder"])
    if PATH.search(name):
        yield (
            f"trial.encoder: '{name}' is a path of this machine: name it by one from the folder "
            "in which you work, and run the trial again"
        )


def _write(
    place: Path, benchmark: Benchmark, records: Sequence[Record], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write all files, of which the tables are made from the lines alone."""
    text = lines((record, told(record)) for record in records)
    made = tables(
        benchmark, [one for one in parsed(text, place / LINES) if isinstance(one, Record)]
    )
    with whole_file(place / LINES) as records_part, whole_file(place / TABLES) as tables_part:
        records_part.write_text(text, encoding="utf-8", newline="\n")
        tables_part.write_text(made, encoding="utf-8", newline="\n")
        if not arrays:
            (place / USERS_FILE).unlink(missing_ok=True)
            return
        with whole_file(place / USERS_FILE) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **dict(arrays))
