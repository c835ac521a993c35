"""How the encoder of a trial is trained, by what a person named and which encoder that is."""

from mmbench.adapters.table import ADAPTERS
from mmbench.encoders.training import check_trainable
from mmbench.errors import UsageError, nearest
from mmbench.feature_plan import FeaturePlan
from mmbench.specs import PARADIGMS, Trial, Tuning, recommender_spec

END2END, FINETUNED = "end2end", "finetuned"
# What a recommender may be set to that a training with the encoder cannot do.
UNSUITED = {"compile": "such a step cannot be compiled", "trainable_features": "the encoder trains"}
GIVEN = ("mask", "drop-items")  # policies under which no row is there that no encoder gave


def is_joint(name: str, model: str) -> bool:
    """Return whether the encoder trains with the recommender.

    Raises:
        UsageError: an unknown name, or a recommender that no encoder can train with.
    """
    if name not in PARADIGMS:
        raise UsageError(f"--paradigm {name}: {nearest(name, PARADIGMS)}")
    spec = recommender_spec(model)
    if name == END2END and not (spec.content and spec.trained):
        raise UsageError(f"{model} passes no gradient to an encoder: take another for end2end")
    return name == END2END


def adapter_defaults(adapter: str) -> dict[str, float]:
    """Return the defaults of an encoder's training that an adapter has of its own.

    Raises:
        UsageError: an unknown adapter.
    """
    rate = ADAPTERS.resolve(adapter).encoder_learning_rate
    return {} if rate is None else {"encoder_learning_rate": rate}


def paradigm_of(wished: str | None, usual: str, features: FeaturePlan) -> str:
    """Return the paradigm: what was named, else that of the encoder, else the usual one.

    Whether an encoder was fine-tuned stands in its name.

    Raises:
        UsageError: the encoder is of another paradigm than the one that was named.
    """
    told, name = features.origin, features.spec.name
    if told and wished == "frozen":
        raise UsageError(f"--paradigm frozen: '{name}' was fine-tuned: name {told.meta['encoder']}")
    if not told and wished == FINETUNED:
        raise UsageError(
            f"--paradigm finetuned: '{name}' was not: make NAME@finetuned:ID with "
            f"`mmbench finetune --encoder {name} --dataset {features.folder.parent.name}`"
        )
    return wished or (FINETUNED if told else usual)


def check_tuning(trial: Trial, features: FeaturePlan) -> None:
    """Refuse what cannot be trained end to end, and what only that paradigm has.

    Raises:
        UsageError: an encoder that cannot be trained, a setting that forbids it, an adapter or
            layers for an encoder that is not trained.
    """
    if trial.paradigm != END2END:
        for name, field in Tuning.model_fields.items():
            if getattr(trial, name) != field.get_default(call_default_factory=True):
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} trains an encoder: name --paradigm end2end beside it")
        return
    check_trainable(features.spec)
    if trial.fuse:
        raise UsageError("--fuse: each modality trains by itself where the paradigm is end2end")
    if trial.missing not in GIVEN:
        raise UsageError(f"--missing {trial.missing}: end2end takes {' or '.join(GIVEN)}")
    for key, reason in UNSUITED.items():
        if trial.hyperparameters.get(key):
            raise UsageError(f"--set {key}=true: {reason} where the paradigm is end2end")
    ADAPTERS.resolve(trial.adapter).of(trial.adapter, trial.adapter_options)
