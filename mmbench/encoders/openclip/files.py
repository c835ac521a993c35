"""Where the files of a model lie: what the person named, the home, else the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.encoders.hub import snapshot
from mmbench.encoders.openclip.name import WEIGHTS, Name
from mmbench.errors import UsageError

CONFIG = "open_clip_config.json"
SUFFIXES = (".safetensors", ".pt", ".bin")
# All that the tokenizers of the hub consist of; the configuration tells old ones their class.
TOKENIZER = (
    *("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.*", "merges.txt", "*.model"),
)


@dataclass(frozen=True)
class Files:
    """The files of a model.

    name: the model.
    models: the folder of the home that holds local weights.
    named: the file or folder that the person named instead, if any.
    """

    name: Name
    models: Path
    named: Path | None

    def weights(self) -> tuple[Path, str | None]:
        """Return the weights file, and its commit where it comes from the hub.

        Raises:
            UsageError: there is none; says how to bring it.
        """
        if self.named is not None:
            return self._of(self.named), None
        if self.name.model:
            for suffix in SUFFIXES:
                path = self.home.with_name(self.home.name + suffix)
                if path.is_file():
                    return path, None
        if self.name.repo is None:
            raise UsageError(self._absent())
        return self._from_hub(self.name.repo)

    def config(self) -> Path:
        """Return the configuration of a model that is not built in.

        Raises:
            UsageError: it is not there.
        """
        if self.folder is None:
            repo = str(self.name.repo)
            return snapshot(repo, self.name.revision, [CONFIG], CONFIG).folder / CONFIG
        if not (self.folder / CONFIG).is_file():
            raise UsageError(f"{self.folder}: holds no {CONFIG}: bring the whole repository")
        return self.folder / CONFIG

    def of_repo(self, repo: str, needed: str, patterns: Sequence[str]) -> Path:
        """Return a folder with files that the model takes from another repository.

        That is the folder of the weights a person named or the model's folder in the home, where
        they hold the files.

        Raises:
            UsageError: the files are nowhere.
        """
        own = self.models / "openclip" / str(self.name.model)
        for folder in (self.folder, own if self.name.model else None):
            if folder is not None and any(folder.glob(needed)):
                return folder
        revision = self.name.revision if repo == self.name.repo else None
        try:
            place = str(own) if self.name.model else "the folder of --weights"
            return snapshot(repo, revision, patterns, needed, f"put its files in {place}").folder
        except UsageError as error:
            raise UsageError(
                f"openclip:{self.name} needs the tokenizer's files of {repo}: {error}"
            ) from error

    @property
    def folder(self) -> Path | None:
        """The folder that the person named, or that of the file."""
        return self.named.parent if self.named is not None and self.named.is_file() else self.named

    @property
    def home(self) -> Path:
        """The weights file of a built-in model in the home, without its suffix."""
        return self.models / "openclip" / str(self.name)

    def _of(self, named: Path) -> Path:
        candidates = [named / file for file in dict.fromkeys((*self.name.files, *WEIGHTS))]
        found = [path for path in (named, *candidates) if path.is_file()]
        if not found:
            wanted = " or ".join(path.name for path in candidates)
            raise UsageError(f"--weights {named}: the folder holds no {wanted}")
        return found[0]

    def _from_hub(self, repo: str) -> tuple[Path, str | None]:
        *preferred, last = self.name.files
        for file in preferred:
            try:
                found = snapshot(repo, self.name.revision, [file], file)
            except UsageError:
                continue  # many repositories have the last one only, which then tells the fault
            return found.folder / file, found.revision
        try:
            found = snapshot(repo, self.name.revision, [last], last)
        except UsageError as error:
            here = f", or put the file at {self.home}.safetensors (or .pt, .bin)"
            raise UsageError(f"{error}{here if self.name.model else ''}") from error
        return found.folder / last, found.revision

    def _absent(self) -> str:
        place = f"{self.home}.safetensors (or .pt, .bin)"
        if self.name.url:
            return (
                f"openclip:{self.name} has no weights: fetch {self.name.url} and put it at {place}"
            )
        return (
            f"openclip:{self.name} has no weights: put its state dict at {place}, name one of its "
            f"tags, as in openclip:{self.name}/TAG, or add --random-weights"
        )
