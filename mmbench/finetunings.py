"""The fine-tunings that a benchmark asks for: one a dataset and encoder, before its cells."""

from collections.abc import Mapping
from typing import Any

from mmbench.benchmark import Benchmark
from mmbench.crossing import crossed, to_finetune, unusual
from mmbench.errors import UsageError
from mmbench.finetuned.told import META
from mmbench.finetuning.plan import FinetunePlan, plan_finetuning
from mmbench.finetuning.settings import Settings
from mmbench.machine import Machine
from mmbench.opened import Opened
from mmbench.progress import Progress
from mmbench.specs import Encoding, Tuning

STARTS = ("random_weights", "weights")  # what of an encoding a fine-tuning begins with
Finetunings = Mapping[tuple[str, str], FinetunePlan]  # (dataset, encoder) → how it is fine-tuned


def finetunings(benchmark: Benchmark, machine: Mapping[str, Any], opened: Opened) -> Finetunings:
    """Return what has to be fine-tuned for a benchmark, or was; nothing is loaded or trained.

    Args:
        benchmark: its `finetuning` says how. machine: see `mmbench.cells.cells`.
        opened: what is shared with other plans.

    Raises:
        UsageError: an encoder that cannot be fine-tuned so; the message says where it is named.
    """
    wishes = {(w.dataset, str(w.encoder)): w for w in crossed(benchmark) if to_finetune(w)}
    if not wishes:
        return {}
    settings, said = _settings(benchmark), unusual(benchmark, Encoding)
    start = Encoding(**{key: said[key] for key in STARTS if key in said})
    fed = Machine.of(machine.get("device", "auto"), workers=machine.get("workers"))
    found: dict[tuple[str, str], FinetunePlan] = {}
    for (name, encoder), wish in wishes.items():
        try:
            dataset, home = opened.dataset(name), opened.home
            planned = plan_finetuning(dataset, encoder, settings, start, fed, home)
        except UsageError as error:
            raise UsageError(f"{benchmark.where}: finetuning: {wish.name}: {error}") from error
        found[name, encoder] = planned
    return found


def is_made(planned: FinetunePlan) -> bool:
    """Return whether an encoder was fine-tuned so already."""
    return (planned.folder / META).is_file()


def make_all(
    benchmark: Benchmark, machine: Mapping[str, Any], opened: Opened, progress: Progress
) -> None:
    """Fine-tune what a benchmark asks for and is not there yet.

    Raises:
        UsageError: as `finetunings`, and as a fine-tuning itself.
    """
    for planned in finetunings(benchmark, machine, opened).values():
        if not is_made(planned):
            progress.say(f"fine-tuning {planned.spec.name} on {planned.dataset.name}")
            _make(planned, progress)


def _make(planned: FinetunePlan, progress: Progress) -> str:
    """Fine-tune, or go on with what was stopped; return the encoder's name."""
    from mmbench.finetuning.finetune import finetune  # torch: most sweeps train no encoder

    said = planned.encoding
    return finetune(
        planned.spec.name,
        planned.dataset,
        device=planned.machine.device,
        workers=planned.machine.workers,
        random_weights=said.random_weights,
        weights=said.weights,
        resume=planned.scratch.is_dir(),
        home=planned.home,
        progress=progress,
        **planned.settings.model_dump(exclude_unset=True),
    )


def _settings(benchmark: Benchmark) -> Settings:
    """Return how encoders are fine-tuned: by what trains of them in end2end, if not said."""
    said = benchmark.finetuning.model_dump(exclude_unset=True) if benchmark.finetuning else {}
    return Settings(**{**unusual(benchmark, Tuning), **said})
