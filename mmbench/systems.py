"""A system: the records of one trial, a seed each, found by a path or by what was run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from mmbench.errors import SHOWN, UsageError, nearest
from mmbench.fingerprint import SHORT
from mmbench.home import Home
from mmbench.records import (
    LINES,
    LINES_SUFFIX,
    PUBLISHED,
    USERS_FILE,
    Record,
    lines_paths,
    read_lines,
    read_record,
    record_paths,
)
from mmbench.system_names import PREFIX, digits, key, names

Wish = str | PathLike[str] | Record | Sequence[Record]


@dataclass(frozen=True)
class System:
    """What is compared: one encoder in one recommender, trained with some seeds.

    records: of one trial, all of status ok, a seed each, in the order of the seeds.
    left_out: a line for each record that was found and is not among them.
    """

    records: tuple[Record, ...]
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """MODEL/ENCODER."""
        return f"{self.records[0].trial['model']}/{self.records[0].trial['encoder']}"

    @property
    def trial(self) -> str:
        """The fingerprint of the trial."""
        return str(self.records[0].values["fingerprints"]["trial"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(int(record.trial["seed"]) for record in self.records)

    def of_seeds(self, seeds: Iterable[int]) -> "System":
        """Return the system with these of its seeds only; UsageError where it lacks one."""
        wanted = set(seeds)
        for seed in sorted(wanted - set(self.seeds)):
            known = ", ".join(map(str, self.seeds))
            raise UsageError(f"{self.name} has no record of seed {seed}; it has: {known}")
        kept = (r for r in self.records if int(r.trial["seed"]) in wanted)
        return replace(self, records=tuple(kept))


def system(wish: Wish, home: Home | str | PathLike[str] | None = None) -> System:
    """Return the system that is meant.

    Args:
        wish: records; or a RECORD.json (that seed alone); or a folder of records; or
            MODEL/ENCODER, DATASET/ENCODER/MODEL, as the folders below the home's results are
            called; or one of these behind the folder of a published benchmark. With /FINGERPRINT
            (its first digits) behind it, one trial of several.
        home: see `Home.of`.

    Raises:
        UsageError: nothing is found, none of it is whole, or it is of several trials.
    """
    if isinstance(wish, Record):
        return _system([wish], "the record", ())
    if not isinstance(wish, (str, PathLike)):
        return _system(wish, "the records", ())
    text = str(wish)
    if (published := _published(text)) is not None:
        return _system(published, text, ())
    paths = _paths(text, Home.of(home))
    if len(paths) == 1:
        return _system([read_record(paths[0])], text, ())
    records, damaged = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except UsageError as error:
            damaged.append(str(error))
    return _system(records, text, damaged)


def labels(systems: Sequence[System]) -> list[str]:
    """Return a name for each: MODEL/ENCODER, with what tells equal ones apart behind it."""
    trials: dict[str, set[str]] = defaultdict(set)
    for each in systems:
        trials[each.name].add(each.trial)
    longer = [
        f"{each.name}/{each.trial[:SHORT]}" if len(trials[each.name]) > 1 else each.name
        for each in systems
    ]
    return [
        f"{name} seed {', '.join(map(str, each.seeds))}" if longer.count(name) > 1 else name
        for name, each in zip(longer, systems, strict=True)
    ]


def _paths(text: str, home: Home) -> list[Path]:
    """Return the record files that a path or the name of a cell means."""
    path = Path(text).expanduser()
    if path.suffix == LINES_SUFFIX and path.is_file():
        raise UsageError(f"{path}: {_of_several(path)}")
    if path.is_file():
        return [path]
    if path.is_dir():
        found = list(record_paths(path))
        if not found and (published := next(lines_paths(path), None)):
            raise UsageError(f"{published}: {_of_several(published)}")
        if not found:
            raise UsageError(f"no record in {path}: make one with `mmbench run`")
        return found
    if PREFIX.fullmatch(path.name) and path.parent.is_dir():
        found = [p for p in record_paths(path.parent) if p.name.startswith(path.name)]
    else:
        found = _cell(text, home)
    if not found:
        raise UsageError(f"no record of '{text}': {_choice(text, home)}")
    return found


def _of_several(lines: Path) -> str:
    """Return why a file of published records is no system."""
    if not lines.with_name(USERS_FILE).is_file():
        return PUBLISHED
    return f"name one of its systems, as in {lines.parent}/MODEL/ENCODER"


def _published(text: str) -> list[Record] | None:
    """Return the records that FOLDER/MODEL/ENCODER means, None where no such folder is published.

    Raises:
        UsageError: there is none of that name.
    """
    path = Path(text).expanduser()
    above = next((p for p in path.parents if p.is_dir()), Path())
    # A name alone is one of the home, wherever one stands.
    if path.exists() or above == Path() or not (above / LINES).is_file():
        return None
    records = [one for one in read_lines(above / LINES) if isinstance(one, Record)]
    wanted = str(path.relative_to(above))
    found = [record for record in records if _means(key(wanted), record)]
    if not found:
        told = nearest(wanted, {f"{r.trial['model']}/{r.trial['encoder']}" for r in records})
        raise UsageError(f"no record of '{text}': {told} (in {above / LINES})")
    return found


def _means(wanted: str, record: Record) -> bool:
    """Return whether a record is of the system, and the trial, that is wanted."""
    print_ = str(record.values["fingerprints"]["trial"])
    trial = [str(record.trial[each]) for each in ("dataset", "encoder", "model")]
    found = (digits(wanted, name) for name in names(*trial))
    return any(first is not None and print_.startswith(first) for first in found)


def _cell(text: str, home: Home) -> list[Path]:
    found = []
    for folder in _folders(home):
        for first in (digits(key(text), name) for name in _names(folder)):
            if first is not None:
                found += [p for p in record_paths(folder) if p.name.startswith(first)]
    return found


def _folders(home: Home) -> list[Path]:
    """Return the folders DATASET/ENCODER/MODEL below the results."""
    return sorted(path for path in home.results.glob("*/*/*") if path.is_dir())


def _names(folder: Path) -> tuple[str, str]:
    return names(*folder.parts[-3:])


def _choice(text: str, home: Home) -> str:
    if text.endswith(".json"):
        return "there is no such file"
    known = {name for folder in _folders(home) for name in _names(folder)}
    return f"{nearest(text, known)} (below {home.results})"


def _system(records: Iterable[Record], text: str, damaged: Sequence[str]) -> System:
    """Return the records as one system; UsageError where they are none or of several trials."""
    once: dict[tuple[str, int], Record] = {}
    left_out = list(damaged)
    for record in records:
        of_seed = (str(record.values["fingerprints"].get("trial")), int(record.trial["seed"]))
        if record.status == "ok":
            once.setdefault(of_seed, record)
        else:
            left_out.append(
                f"{record.path.name}: seed {of_seed[1]} is left out, it {_fate(record)}"
            )
    trials: dict[str, list[Record]] = defaultdict(list)
    for (trial, _), record in sorted(once.items(), key=lambda item: item[0]):
        trials[trial].append(record)
    if not trials:
        raise UsageError(f"{text}: no whole record ({'; '.join(left_out) or 'there is none'})")
    if len(trials) > 1:
        raise UsageError(f"{text}: {_several(trials)}: name one, as in {text}/{_first(trials)}")
    (whole,) = trials.values()
    return System(tuple(whole), tuple(left_out))


def _fate(record: Record) -> str:
    error = record.values.get("error") or {}
    message = str(error.get("message", "")).split("\n")[0]
    return f"{record.status}: {message}" if message else record.status


def _first(trials: Mapping[str, list[Record]]) -> str:
    return max(trials, key=lambda trial: len(trials[trial]))[:SHORT]


def _several(trials: Mapping[str, list[Record]]) -> str:
    """Return what trials there are, with what tells them apart."""
    settings = {trial: _settings(records[0]) for trial, records in trials.items()}
    keys = dict.fromkeys(key for said in settings.values() for key in said)
    differing = [key for key in keys if len({repr(s.get(key)) for s in settings.values()}) > 1]
    told = []
    for trial, records in list(trials.items())[:SHOWN]:
        seeds = "1 seed" if len(records) == 1 else f"{len(records)} seeds"
        said = [f"{key} {settings[trial].get(key)}" for key in differing[:3]]
        told.append(f"{trial[:SHORT]} ({', '.join([seeds, *said])})")
    more = f" and {len(trials) - SHOWN} more" if len(trials) > SHOWN else ""
    return f"{len(trials)} trials match, {'; '.join(told)}{more}"


def _settings(record: Record) -> dict[str, Any]:
    """Return what fixes a trial, without the seed and what is the same in all records."""
    first = {key: record.trial[key] for key in ("dataset", "encoder", "model")}
    trial = first | {key: value for key, value in record.trial.items() if key != "seed"}
    prints = {f"{k} print": str(v)[:6] for k, v in record.values["fingerprints"].items()}
    prints.pop("trial print", None)
    settings: dict[str, Any] = trial.pop("hyperparameters", {})
    return trial | settings | prints
