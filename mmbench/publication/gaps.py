"""The cells of a benchmark that have no record, or not of every seed; by name alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmbench.benchmark import Benchmark
from mmbench.crossing import Wish, crossed, to_finetune
from mmbench.encoder_spec import FINETUNED
from mmbench.records import Record
from mmbench.specs import NO_FEATURES, protocol_spec


@dataclass(frozen=True)
class Gap:
    """A cell that is not whole; seeds: those without a record, none where it has no record."""

    wish: Wish
    seeds: tuple[int, ...] = ()

    @property
    def encoder(self) -> str:
        """The encoder, with the paradigm where it trains; empty where none is read."""
        name, way = self.wish.encoder, self.wish.paradigm
        return "" if name is None else name if way == "frozen" else f"{name} {way}"

    @property
    def lack(self) -> str:
        """What is not there."""
        return f"no record of seed {', '.join(map(str, self.seeds))}" if self.seeds else "no record"


def gaps(benchmark: Benchmark, records: Iterable[Record]) -> list[Gap]:
    """Return the cells that are not whole; one with a failed record is, it says so itself."""
    known, found = list(records), []
    for wish in crossed(benchmark):
        own = [record for record in known if _is_of(record, wish)]
        if not own:
            found.append(Gap(wish))
        elif all(record.status == "ok" for record in own):
            rules = protocol_spec(str(own[0].trial["protocol"]))
            there = {record.trial["seed"] for record in own}
            lacking = tuple(s for s in rules.seeds[: benchmark.seeds] if s not in there)
            found += [Gap(wish, lacking)] if lacking else []
    return found


def told(found: Sequence[Gap]) -> list[str]:
    """Return a line for each dataset, recommender and lack, its encoders together."""
    lines: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for gap in found:
        lines[gap.wish.dataset, gap.wish.model, gap.lack].append(gap.encoder)
    return [
        f"{dataset} · {model}{': ' if any(names) else ''}{', '.join(names)}: {lack}"
        for (dataset, model, lack), names in lines.items()
    ]


def _is_of(record: Record, wish: Wish) -> bool:
    trial, encoder = record.trial, wish.encoder or NO_FEATURES
    if to_finetune(wish):
        same = str(trial["encoder"]).startswith(f"{encoder}{FINETUNED}")
    else:
        same = trial["encoder"] == encoder
    paradigm = wish.paradigm in (None, trial.get("paradigm", "frozen"))
    return same and paradigm and (trial["dataset"], trial["model"]) == (wish.dataset, wish.model)
