"""What a person asks of `run`, from flags, a YAML or a record, as the arguments of a plan."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmbench.encoder_spec import encoder_spec
from mmbench.errors import UsageError
from mmbench.records import read_record
from mmbench.run_spec import RunSpec
from mmbench.specs import (
    Encoding,
    Gaps,
    Trial,
    Tuning,
    parse,
    protocol_spec,
    recommender_spec,
)
from mmbench.yamls import parse_yaml, read_yaml


def of(
    flags: Mapping[str, str | None],
    settings: Sequence[str] = (),
    config: Path | None = None,
    record: Path | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of `mmbench.plan.plan`.

    Args:
        flags: model, encoder, dataset, protocol, paradigm; None where nothing was said.
        settings: KEY=VALUE texts; they win over those of the YAML, as flags do.
        config: a YAML of `mmbench.run_spec.RunSpec`.
        record: a record to repeat; it fixes everything and stands alone.
        seeds, seed: how many, or the one.
        options: what `encoding`, `gaps` and `tuning` return.

    Raises:
        UsageError: a record together with other wishes, `--set` without a value, an unknown key.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    said = dict(options or {})
    if record is not None:
        if given or settings or config or seeds or seed is not None or said:
            raise UsageError("--from repeats a record as it is: leave out the other options")
        return _of_record(record)
    wished = parse(RunSpec, read_yaml(config), str(config)) if config else RunSpec()
    chosen = {**wished.model_dump(exclude_unset=True, exclude_none=True), **given}
    chosen["hyperparameters"] = {**wished.hyperparameters, **dict(map(setting, settings))}
    if seed is None and seeds is None:
        seed, seeds = wished.seed, wished.seeds
    if seed is not None and seeds is not None:
        raise UsageError("--seed names one, --seeds counts them: leave one of them out")
    _check_names(chosen)
    chosen.pop("seed", None)
    chosen["seeds"] = [seed] if seed is not None else seeds or 1
    return {**chosen, **said}


def flags(
    model: str | None,
    encoder: str | None,
    dataset: str | None,
    protocol: str | None,
    paradigm: str | None,
) -> dict[str, str | None]:
    """Return the names of what is run, None where nothing was said."""
    return {
        "model": model,
        "encoder": encoder,
        "dataset": dataset,
        "protocol": protocol,
        "paradigm": paradigm,
    }


def machine(
    device: str, batch_size: str, workers: int | None, eval_memory: int | None
) -> dict[str, Any]:
    """Return what is run where, and how it is fed."""
    sizes = {"batch_size": batch_size, "eval_memory": eval_memory}
    return {"device": device, "workers": workers, **sizes}


def encoding(
    random_weights: bool = False,
    weights: str | None = None,
    fuse: str | None = None,
    long_texts: str | None = None,
    precision: str | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """Return the fields of `mmbench.specs.Encoding` for which something was said.

    Raises:
        UsageError: a value that the field does not take.
    """
    given = {"random_weights": random_weights, "weights": weights, "fuse": fuse}
    given |= {"long_texts": long_texts, "precision": precision, "dtype": dtype}
    said = {name: value for name, value in given.items() if value not in (None, False)}
    parse(Encoding, said, "the options")
    return said


def gaps(
    missing: str | None = None, inject_missing: str | None = None, inject_seed: int | None = None
) -> dict[str, Any]:
    """Return the fields of `mmbench.specs.Gaps` for which something was said.

    Args:
        inject_missing: as it is typed: MODALITY:SHARE, and more after commas.

    Raises:
        UsageError: a value that the field does not take.
    """
    shares = None if inject_missing is None else _shares(inject_missing)
    given = {"missing": missing, "inject_missing": shares, "inject_seed": inject_seed}
    said = {name: value for name, value in given.items() if value is not None}
    parse(Gaps, said, "the options")
    return said


def tuning(adapter: str | None = None, train_layers: int | None = None) -> dict[str, Any]:
    """Return the fields of `mmbench.specs.Tuning` for which something was said.

    Args:
        adapter: as it is typed: its name, or NAME:KEY=VALUE and more after commas.

    Raises:
        UsageError: a value that the field does not take.
    """
    name, colon, options = (adapter or "").partition(":")
    said: dict[str, Any] = {} if adapter is None else {"adapter": name}
    if colon:
        where = f"--adapter {name}:"
        said["adapter_options"] = dict(setting(one, where) for one in options.split(","))
    if train_layers is not None:
        said["train_layers"] = train_layers
    parse(Tuning, said, "the options")
    return said


def _shares(text: str) -> dict[str, float]:
    where = f"--inject-missing {text}"
    shares: dict[str, float] = {}
    for part in text.split(","):
        modality, _, share = part.strip().rpartition(":")
        if modality in shares:
            raise UsageError(f"{where}: {modality} stands twice")
        try:
            shares[modality] = float(share)
        except ValueError:
            modality = ""
        if not modality:
            raise UsageError(f"{where}: write MODALITY:SHARE, as in image:0.3,text:0.1")
        if not 0 < shares[modality] < 1:
            raise UsageError(f"{where}: a share lies above 0 and below 1, as in {modality}:0.3")
    return shares


def _check_names(chosen: dict[str, Any]) -> None:
    """Refuse a wrong name at once, before anything heavy is imported."""
    if "model" in chosen:
        recommender_spec(chosen["model"])
    encoder = chosen.get("encoder")
    while encoder is not None:
        encoder = encoder_spec(encoder).of
    if "protocol" in chosen:
        protocol_spec(chosen["protocol"])


def _of_record(path: Path) -> dict[str, Any]:
    record = read_record(path)
    trial = parse(Trial, dict(record.trial), str(path)).model_dump()
    trial["seeds"] = [trial.pop("seed")]
    return {**trial, "expected": record.values["fingerprints"]}


def setting(text: str, flag: str = "--set ") -> tuple[str, Any]:
    """Return key and value of KEY=VALUE, as --set takes it; UsageError where it is none."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"{flag}{text}: write {flag}KEY=VALUE")
    parsed = parse_yaml(value, f"{flag}{key}")
    if isinstance(parsed, (dict, list)):
        raise UsageError(f"{flag}{text}: one value, please")
    return key, parsed
