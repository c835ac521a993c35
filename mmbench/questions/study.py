"""Records → cases: an encoder in a recommender on one test set, and which share a table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from statistics import mean
from typing import Any

from mmbench.board.cell import Cell, cells
from mmbench.board.groups import groups
from mmbench.board.layout import layout
from mmbench.encoder_spec import UNKNOWN, EncoderSpec, encoder_spec
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.notes import unusual
from mmbench.questions.user_values import UserValues
from mmbench.records import Record
from mmbench.specs import Tuning

FROZEN, FINETUNED, END2END = "frozen", "finetuned", "end2end"
Settings = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One encoder in one recommender, on one version of a dataset under one protocol.

    cell: the point that stands for it: of those with most seeds, the best on validation.
    points: all of them, each a trial with its seeds. spec: its encoder's YAML, None if unknown.
    setting: what is unusual in it, and what left the dataset; cases that differ in it are apart.
    tuning: what of the encoder trains with the recommender; empty where nothing does.
    """

    cell: Cell
    points: tuple[Cell, ...]
    spec: EncoderSpec | None
    setting: Settings
    tuning: Settings

    @property
    def kind(self) -> str:
        """The kind of the encoder, see `mmbench.encoder_spec.Kind`; `unknown` where none says."""
        return self.spec.kind if self.spec else UNKNOWN

    @property
    def weights(self) -> str:
        """What its vectors rest on: pretrained, finetuned, random or none."""
        return str(self.told.get("weights"))

    @property
    def told(self) -> dict[str, Any]:
        """What its record says of the encoder."""
        told: dict[str, Any] = self.cell.records[0].values["encoder"]
        return told

    @property
    def random(self) -> bool:
        """Whether its vectors rest on random weights, also on what was fine-tuned from such."""
        tuned = self.told.get("finetuned") or {}
        return self.weights == "random" or tuned.get("base_weights") == "random"

    @property
    def real(self) -> bool:
        """Whether an encoder of content is in it, no control."""
        return bool(self.told["modalities"]) and not self.cell.control

    @property
    def pretrained(self) -> bool:
        """Whether it is a named encoder with its published weights, which nothing trains."""
        named = self.kind != UNKNOWN and self.weights == "pretrained"
        return named and self.real and self.cell.paradigm == FROZEN

    @property
    def budget(self) -> str:
        """How a search chose its hyper-parameters; it may be none."""
        search = self.cell.records[0].values.get("search")
        if not search:
            return "no search"
        return f"{search.get('algorithm')}, {counted_as(int(search.get('trials') or 0), 'point')}"

    @property
    def encoder(self) -> str:
        """Its encoder with what is to be known of it."""
        end = [self.cell.paradigm] if self.cell.paradigm == END2END else []
        said = [*end, *self.tuning, *self.marks, *self.setting]
        return f"{self.cell.encoder} ({', '.join(said)})" if said else self.cell.encoder

    @property
    def marks(self) -> tuple[str, ...]:
        """What is to be known of its weights, and whether it is a control."""
        said = {"no features"} | ({"control"} if self.cell.of else set())
        of = (
            [f"of {self.cell.of}"] if self.cell.of and self.cell.of not in self.cell.encoder else []
        )
        return (*(mark for mark in self.cell.marks if mark not in said), *of)

    @property
    def name(self) -> str:
        """RECOMMENDER ENCODER, with what is to be known of it."""
        return f"{self.cell.model} {self.encoder}"


@dataclass(frozen=True)
class Table:
    """The cases of one version of a dataset under one protocol; no case is in two of them."""

    dataset: str
    protocol: str
    cases: tuple[Case, ...]

    @property
    def data(self) -> str:
        """The name of the dataset, without its version."""
        return str(self.cases[0].cell.records[0].trial["dataset"])

    @property
    def name(self) -> str:
        """DATASET · PROTOCOL."""
        return f"{self.dataset} · {self.protocol}"


@dataclass(frozen=True)
class Study:
    """What the questions are asked of.

    metric: of the test part. left_out: what gave no number, a line each.
    home: where the manifests of datasets are, by which those of the same data are known.
    """

    metric: str
    tables: tuple[Table, ...]
    left_out: tuple[str, ...]
    home: Home

    @cached_property
    def user_values(self) -> UserValues:
        """The values over users, read once however many questions ask."""
        return UserValues(self.metric)

    @property
    def cases(self) -> list[Case]:
        """All cases."""
        return [case for table in self.tables for case in table.cases]


def study(records: Iterable[Record], metric: str, home: Home) -> Study:
    """Return the study of some records, each trial and seed once."""
    found, left_out = cells(records, [metric])
    whole = [cell for cell in found if cell.records]
    specs = {name: _spec(name) for name in {cell.encoder for cell in whole}}
    tables = [
        Table(group.cells[0].dataset, group.protocol, _cases(group.cells, specs, metric))
        for group in groups(whole, layout())
    ]
    return Study(metric, tuple(tables), left_out, home)


def valid_mean(cell: Cell, metric: str, seeds: Iterable[int] | None = None) -> float | None:
    """Return the mean of a metric on validation over (some of) the seeds, None where one lacks."""
    wanted = None if seeds is None else set(seeds)
    found = [
        (record.values["metrics"].get("valid") or {}).get(metric)
        for record in cell.records
        if wanted is None or record.trial["seed"] in wanted
    ]
    known = [float(value) for value in found if value is not None and isfinite(value)]
    return mean(known) if known and len(known) == len(found) else None


def counted_as(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _spec(name: str) -> EncoderSpec | None:
    try:
        return encoder_spec(name)
    except UsageError:  # of a plug-in that is not here
        return None


def _cases(
    cells_: Sequence[Cell], specs: dict[str, EncoderSpec | None], metric: str
) -> tuple[Case, ...]:
    """Return the cases of one table, its points put together."""
    points: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells_:
        names = (cell.model, cell.encoder, cell.of or "", cell.paradigm)
        weights = str(cell.records[0].values["encoder"].get("weights"))
        points[(*names, weights, _setting(cell), _tuning(cell))].append(cell)
    made = []
    for key, same in sorted(points.items(), key=lambda item: item[0]):
        made.append(Case(_chosen(same, metric), tuple(same), specs[key[1]], key[-2], key[-1]))
    return tuple(made)


def _chosen(points: Sequence[Cell], metric: str) -> Cell:
    """Return the point that stands for a case; the test part has no say in it."""

    def merit(point: Cell) -> tuple[int, float, str]:
        reached = valid_mean(point, metric)
        return len(point.records), -1.0 if reached is None else reached, point.trial

    return max(points, key=merit)


def _setting(cell: Cell) -> Settings:
    record = cell.records[0]
    dropped = record.values.get("dropped")
    return (*unusual(record.trial), *([f"dropped: {dropped}"] if dropped else []))


def _tuning(cell: Cell) -> Settings:
    if cell.paradigm != END2END:
        return ()
    trial = cell.records[0].trial
    fields = Tuning.model_fields.items()
    usual = {name: field.get_default(call_default_factory=True) for name, field in fields}
    said = {name: trial.get(name, value) for name, value in usual.items()}
    words = {name: name.replace("_", " ") for name in said}
    return tuple(f"{words[n]}: {value}" for n, value in said.items() if value != usual[n])
