"""What a person writes for a model of open_clip: NAME, NAME/TAG or hf-hub:ORG/REPO."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import open_clip

from mmbench.errors import UsageError, nearest

HUB = "hf-hub:"
# What open_clip looks for in a repository, in its order.
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


@dataclass(frozen=True)
class Name:
    """A model of open_clip.

    model: its name in open_clip; None where `repo` holds its configuration.
    tag: which of the published weights of that name.
    repo: the repository of the hub that holds the weights; None where there is none.
    files: names of the weights file there, the preferred one first.
    url: where the weights of a tag lie that has no repository.
    revision: a commit, branch or tag of `repo`.
    """

    model: str | None
    tag: str | None
    repo: str | None
    files: tuple[str, ...] = WEIGHTS
    url: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        if self.model is None:
            return f"{HUB}{self.repo}"
        return f"{self.model}/{self.tag}" if self.tag else self.model

    @property
    def published(self) -> Mapping[str, Any]:
        """What open_clip knows of the tag: mean, std, interpolation, resize_mode, quick_gelu."""
        settings: Mapping[str, Any] = open_clip.get_pretrained_cfg(self.model, self.tag or "")
        return settings


def parse(written: str, revision: str | None = None) -> Name:
    """Return the model that NAME, NAME/TAG or hf-hub:ORG/REPO means, each with @REVISION or not.

    Args:
        written: what the person wrote.
        revision: the one to take where none is written.

    Raises:
        UsageError: an unknown name or tag, a repository that is none, or a revision without one.
    """
    head, _, pin = written.partition("@")
    pinned = pin or revision
    if head.startswith(HUB):
        return _on_hub(head.removeprefix(HUB), pinned)
    model, slash, tag = head.partition("/")
    if model not in open_clip.list_models():
        raise UsageError(
            f"open_clip has no model '{model}': {nearest(model, open_clip.list_models())}"
        )
    if slash:
        return _tagged(model, tag, pinned)
    if pinned:
        raise UsageError(f"openclip:{model} without a tag is read from a file: leave @{pinned} out")
    return Name(model, None, None)


def _on_hub(repo: str, revision: str | None) -> Name:
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise UsageError(f"'{repo}' is no repository of the hub: write {HUB}ORG/REPO")
    return Name(None, None, repo, revision=revision)


def _tagged(model: str, tag: str, revision: str | None) -> Name:
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag not in tags:
        # A -quickgelu name has other tags than the plain one: mixing them gives wrong vectors.
        others = open_clip.list_pretrained_models_by_tag(tag)
        kin = [other for other in others if _plain(other) == _plain(model)]
        known = f"{kin[0]}/{tag} exists" if kin else nearest(tag, tags)
        raise UsageError(f"open_clip has no weights '{tag}' of {model}: {known}")
    published = open_clip.get_pretrained_cfg(model, tag)
    repo, _, file = published.get("hf_hub", "").rpartition("/")
    # Where a repository also has a file without pickles, open_clip takes that one.
    files = (f"{file.rpartition('.')[0]}.safetensors", file) if file else WEIGHTS
    return Name(model, tag, repo or None, tuple(dict.fromkeys(files)), published["url"], revision)


def _plain(model: str) -> str:
    return model.removesuffix("-quickgelu")
