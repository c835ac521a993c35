"""An encoder by its name: NAME, NAME:ARGUMENT, NAME:VARIANT, or two that make a pair, A+B.

Each of them may be followed by @finetuned:ID, for what `mmbench finetune` made of it.
"""

import re
from typing import Literal

from pydantic import Field

from mmbench.errors import UsageError, nearest
from mmbench.specs import Scalar, Spec, named, names

ANY = "any"  # stands for "the modalities of the base encoder or of the file"
FINETUNED = "@finetuned:"
UNKNOWN = "unknown"  # the kind of a file, or of a model that only its name is known of
# How pictures and texts meet in an encoder: one model with a tower a modality (dual), one network
# for both (unified), two models that never met (pair), one modality alone (single). Of a control,
# what its rows are: those of other items (shuffled), random, a constant, the truth, or none.
Kind = Literal[
    "dual", "unified", "pair", "single", "shuffled", "random", "constant", "truth", "none"
]
Members = dict[str, dict[str, Scalar]]  # modality → its backend and that one's options


class Need(Spec):
    """What must be here for an encoder to have its weights: one of the three."""

    hub: str | None = None  # a repository of the Hugging Face hub,
    revision: str | None = None  # at this commit
    file: str | None = None  # below the home's models/
    package: str | None = None  # a module that can be imported


class About(Spec):
    """What a person wants to know before choosing an encoder."""

    kind: Kind | None = None
    dimension: dict[str, int] = Field(default={})
    parameters: str | None = None
    licence: str | None = None
    source: str | None = None
    needs: tuple[Need, ...] = ()


class EncoderSpec(Spec):
    """A named encoder: a backend, with its options, per modality."""

    description: str
    name: str
    argument: str | None = None  # the option that the part after the colon of NAME:ARGUMENT sets
    of: str | None = None  # the encoder whose rows a control takes
    control: bool = False
    finetuned: str | None = None  # the id of a fine-tuning whose weights lie over its own
    about: About = About()
    modalities: Members
    variants: dict[str, Members] = Field(default={})  # X of NAME:X → its modalities instead

    @property
    def kind(self) -> str:
        """One of `Kind`, or `unknown` where its YAML does not say."""
        return self.about.kind or UNKNOWN


def encoder_yaml(head: str) -> EncoderSpec:
    """Return the YAML of an encoder by the part of its name before the colon, as it stands."""
    return named(EncoderSpec, "encoders", head.partition(":")[0])


def encoder_spec(name: str) -> EncoderSpec:
    """Return the encoder called NAME, NAME:ARGUMENT, NAME:VARIANT or A+B, perhaps @finetuned:ID.

    Whether a fine-tuning of that id is there is not looked up here.

    Raises:
        UsageError: unknown name or variant, an argument missing or given where none is taken, or
            two encoders of one modality.
    """
    head, colon, argument = name.partition(":")
    base, mark, key = name.rpartition(FINETUNED)
    if mark and not _takes_all(head):
        return encoder_spec(base).model_copy(update={"name": name, "finetuned": key})
    if pair := _pair(name):
        return _paired(name, *pair)
    spec = encoder_yaml(head)
    if colon and spec.variants:
        return _variant(spec, name, head, argument)
    if colon and spec.argument is None:
        raise UsageError(f"encoder '{head}' takes nothing after a colon: write --encoder {head}")
    if not argument and (colon or spec.argument not in (None, "of")):
        wanted = "encoder" if spec.argument == "of" else str(spec.argument)
        raise UsageError(f"encoder '{name}' needs its {wanted}: write {head}:{wanted.upper()}")
    if not colon:
        return spec
    if spec.argument == "of":
        return spec.model_copy(update={"name": name, "of": argument})
    modalities = {
        m: {**options, str(spec.argument): argument} for m, options in spec.modalities.items()
    }
    return spec.model_copy(update={"name": name, "modalities": modalities})


def _takes_all(head: str) -> bool:
    """Return whether all that follows a name and its colon is its argument: an encoder, a path."""
    return head in names("encoders") and ANY in encoder_yaml(head).modalities


def _pair(name: str) -> tuple[str, str] | None:
    """Return the two names of A+B; None where all of it is one name, as in file:a+b."""
    head = name.partition(":")[0]
    if head in names("encoders") and (head == name or _takes_all(head)):
        return None
    for plus in re.finditer(r"\+", name):
        left, right = name[: plus.start()], name[plus.end() :]
        if all(part.partition(":")[0] in names("encoders") for part in (left, right)):
            return left, right
    return None


def _paired(name: str, left: str, right: str) -> EncoderSpec:
    one, two = encoder_spec(left), encoder_spec(right)
    shared = one.modalities.keys() & two.modalities.keys()
    if shared or ANY in {*one.modalities, *two.modalities} or one.control or two.control:
        told = f"both give {sorted(shared)[0]}" if shared else "one of them is no model"
        raise UsageError(f"encoder '{name}': {left} and {right} make no pair, {told}")
    return one.model_copy(
        update={
            "name": name,
            "description": f"{left} and {right}",
            "about": one.about.model_copy(update={"kind": "pair"}),
            "modalities": {**one.modalities, **two.modalities},
        }
    )


def _variant(spec: EncoderSpec, name: str, head: str, variant: str) -> EncoderSpec:
    if variant not in spec.variants:
        known = nearest(variant, spec.variants)
        raise UsageError(f"encoder '{head}' has no variant '{variant}': {known}")
    return spec.model_copy(update={"name": name, "modalities": spec.variants[variant]})
