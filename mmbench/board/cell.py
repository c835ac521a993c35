"""One trial with its seeds: what a cell of a leaderboard stands for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import mean, stdev
from typing import Any

from mmbench.notes import unusual, weights_notes
from mmbench.records import Record

OK, NO_NUMBER = "ok", "not a number"
Key = tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """The records of one trial: all is equal among them but the seed.

    records: those that went well, by seed. broken: the others.
    dataset, protocol, model, encoder, paradigm: names.
    version, rule, trial: fingerprints of dataset, protocol and trial.
    control: whether it is there for comparison only, and is never marked as best.
    of: the encoder whose rows a control takes.
    marks: what is to be known of its encoder's weights and features.
    notes: what is not as usual in the trial. caveats: what is not as it should be.
    state: `ok` where a seed went well, else why none did, in a word or three.
    """

    records: tuple[Record, ...]
    broken: tuple[Record, ...]
    dataset: str
    protocol: str
    model: str
    encoder: str
    paradigm: str
    version: str
    rule: str
    trial: str
    control: bool
    of: str | None
    marks: tuple[str, ...]
    notes: tuple[str, ...]
    caveats: tuple[str, ...]
    state: str

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What the recommender was set to."""
        (first, *_) = self.records or self.broken
        settings: Mapping[str, Any] = first.trial.get("hyperparameters") or {}
        return settings

    @property
    def key(self) -> Key:
        """The fingerprints of dataset and trial: no other cell has both."""
        return self.version, self.trial

    def values(self, metric: str) -> dict[int, float]:
        """Return seed → value on the test part, of the seeds that have one."""
        found = {record.trial["seed"]: part_tested(record).get(metric) for record in self.records}
        return {seed: value for seed, value in found.items() if value is not None}

    def mean(self, metric: str) -> float | None:
        """Return the mean over the seeds, None where there is no value."""
        values = self.values(metric).values()
        return mean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """Return the sample standard deviation over the seeds, None where there is one seed."""
        values = self.values(metric).values()
        return stdev(values) if len(values) > 1 else None


def part_tested(record: Record) -> Mapping[str, float]:
    """Return the metrics of the test part; none where the trial did not end well."""
    metrics: Mapping[str, Any] = record.values["metrics"] or {}
    return metrics.get("test") or {}


def cells(
    records: Iterable[Record], metrics: Sequence[str]
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Return the cells of some records, and a line for each record that gave no number."""
    good: dict[Key, list[Record]] = defaultdict(list)
    broken: dict[Key, list[tuple[str, Record]]] = defaultdict(list)
    left_out = []
    for record in records:
        key = record.values["fingerprints"]["dataset"], record.values["fingerprints"]["trial"]
        state, reason = _trouble(record, metrics)
        if state == OK:
            good[key].append(record)
            continue
        if state:
            broken[key].append((state, record))
        trial = record.trial
        what = f"{trial['model']} {trial['encoder']} seed {trial['seed']}"
        left_out.append(f"{trial['dataset']} · {what}: {reason}")
    keys = dict.fromkeys([*good, *broken])
    return tuple(_cell(good[key], broken[key]) for key in keys), tuple(left_out)


def _trouble(record: Record, metrics: Sequence[str]) -> tuple[str, str]:
    """Return the state of a record and the reason; the state is empty where it has no place."""
    if record.status != OK:
        return record.status, f"{record.status}, {record.path.name}"
    values = part_tested(record)
    if not set(metrics) & values.keys():
        return "", f"its protocol does not measure {', '.join(metrics)}"
    for metric in metrics:
        if not isfinite(values.get(metric, 0.0)):
            return NO_NUMBER, f"{metric} is {values[metric]}, {record.path.name}"
    return OK, ""


def _cell(good: list[Record], broken: list[tuple[str, Record]]) -> Cell:
    records = sorted(good, key=lambda record: int(record.trial["seed"]))
    first = records[0] if records else broken[0][1]
    trial, prints, encoder = first.trial, first.values["fingerprints"], first.values["encoder"]
    return Cell(
        records=tuple(records),
        broken=tuple(record for _, record in broken),
        **{name: trial[name] for name in ("dataset", "protocol", "model", "encoder")},
        paradigm=trial.get("paradigm", "frozen"),
        version=prints["dataset"],
        rule=prints.get("protocol", ""),
        trial=prints["trial"],
        control=encoder["control"] and bool(encoder["modalities"]),
        of=encoder["of"],
        marks=_marks(first),
        notes=(*unusual(trial), *_search(records)),
        caveats=("seeds of different code",) if _differ(records) else (),
        state=OK if records else broken[0][0],
    )


def _marks(record: Record) -> tuple[str, ...]:
    encoder = record.values["encoder"]
    marks = ["control"] if encoder["control"] and encoder["modalities"] else []
    marks += [] if encoder["modalities"] else ["no features"]
    return (*marks, *weights_notes(record.values))


def _search(records: Iterable[Record]) -> tuple[str, ...]:
    """Return how a search chose the hyper-parameters; nothing where none did."""
    for record in records:
        if search := record.values.get("search"):
            return (f"tuned: {search.get('algorithm')}, {search.get('trials')} points",)
    return ()


def _differ(records: Iterable[Record]) -> bool:
    """Return whether the seeds come from different commits, versions or devices."""
    made = [
        (r.values.get("commit"), r.values.get("versions"), r.values.get("device")) for r in records
    ]
    return any(each != made[0] for each in made)
