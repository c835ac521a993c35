"""The fingerprint of a trial: of everything that fixes its numbers but the seed."""

from collections.abc import Mapping

from mmbench.fingerprint import fingerprint
from mmbench.specs import Encoding, Gaps, Trial, Tuning

PARTS = ("protocol", "dataset", "features")  # whose fingerprints are part of a trial's


def trial_print(trial: Trial, prints: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return the fingerprint of a trial.

    Args:
        trial: how it is run. prints: the fingerprints of its protocol, dataset and features.
        files: hyper-parameter → sha256 of the file that it names.
    """
    # How the encoder is used is part of the features' fingerprint; where files lie is of none.
    left_out = {"seed", *Encoding.model_fields, *Gaps.model_fields}
    left_out |= set() if trial.paradigm == "end2end" else {*Tuning.model_fields}
    told = trial.model_dump(mode="json", exclude=left_out) | trial.identity()
    settings = {**told["hyperparameters"], **files}
    return fingerprint(
        {"trial": {**told, "hyperparameters": settings}, **{part: prints[part] for part in PARTS}}
    )
