"""What a table says beside a row: all that is not as usual in a trial."""

from collections.abc import Mapping
from typing import Any

from mmbench.specs import USUAL_POLICY, Encoding


def weights_notes(values: Mapping[str, Any]) -> list[str]:
    """Return in words where the vectors of a record come from, but for weights as published.

    Args:
        values: the keys of a record; those from before there was fine-tuning lack some.
    """
    encoder, told = values["encoder"], []
    tuned = encoder.get("finetuned") or {}
    if encoder["weights"] == "random":
        joint = values["trial"].get("paradigm") == "end2end"
        told.append("end to end from random weights" if joint else "random weights")
    if tuned.get("base_weights") == "random":
        told.append("fine-tuned from random weights")
    if not tuned.get("same_dataset", True):
        told.append(f"fine-tuned on {tuned['dataset']}")
    return told


def unusual(trial: Mapping[str, Any]) -> list[str]:
    """Return in words which fields of `Encoding` and `Gaps` are not as usual; what is absent is."""
    words = {
        "fuse": "fused: {}",
        "long_texts": "long texts: {}",
        "precision": "{}",
        "dtype": "{}",
        "weights": "weights of one's own",
    }
    usual = {name: Encoding.model_fields[name].default for name in words}
    told = [
        text.format(trial[name])
        for name, text in words.items()
        if trial.get(name, usual[name]) != usual[name]
    ]
    if trial.get("missing", USUAL_POLICY) != USUAL_POLICY:
        told.append(f"missing: {trial['missing']}")
    if shares := trial.get("inject_missing"):
        hidden = " ".join(f"{modality} {share:g}" for modality, share in shares.items())
        told.append(f"hidden: {hidden} (seed {trial.get('inject_seed', 0)})")
    return told
