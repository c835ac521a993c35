"""Any model of sentence-transformers: from the hub, or from a folder."""

import re
from pathlib import Path

from mmbench.encoders.hub import snapshot
from mmbench.encoders.named_weights import USE
from mmbench.encoders.sentence.backend import Sentence
from mmbench.encoders.sentence.folder import Folder, Place
from mmbench.encoders.sentence.stack import MODULES
from mmbench.errors import UsageError

OWNER = "sentence-transformers/"  # of the repositories that need no owner's name
SMALL = ("*.json", "*.txt", "*.model")
SAFE, PICKLED = "*model*.safetensors", "*pytorch_model*.bin"


class PublishedSentence(Sentence):
    """A model by its name on the hub.

    Its model is a repository (ORG/NAME, or NAME of sentence-transformers), perhaps with
    @REVISION, or a folder.
    """

    def _usual(self) -> Place:
        if self.named is not None:
            return Folder(self.named)  # refused there, in its own words
        path = Path(self.model).expanduser()
        if path.is_dir() or re.match(r"[./~]", self.model):
            if not path.is_dir():
                raise UsageError(f"{path}: no folder is there: name one that holds {MODULES}")
            return Folder(path, pin=self.sha256)
        name, _, revision = self.model.partition("@")
        return self._fetched(name if "/" in name else OWNER + name, revision or None)

    def _fetched(self, repo: str, revision: str | None) -> Folder:
        found = snapshot(repo, revision, SMALL, MODULES, USE.format("text"))
        if not self.random_weights:
            try:
                snapshot(repo, found.revision, [SAFE], SAFE, USE.format("text"))
            except UsageError as refused:
                try:
                    snapshot(repo, found.revision, [PICKLED], PICKLED)
                except UsageError:
                    raise refused from None
        return Folder(found.folder, found.revision, self.sha256)
