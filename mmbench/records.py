"""What one trial produced: one JSON, and every user's metrics beside it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.atomic import whole_file
from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT

SCHEMA = 1
BESIDE = "listed-"  # how arrays are called that stand beside the metrics; see mmbench.lists
LINES_SUFFIX = ".jsonl"
LINES = f"records{LINES_SUFFIX}"  # records that were published, one a line
USERS_FILE = "per_user.npz"  # what was published of their users, where it was
PUBLISHED = (
    "it was published without its per-user metrics, and a test over users needs them: "
    "run its `command`, and take the record that this makes"
)


@dataclass(frozen=True)
class Record:
    """A record: its JSON (schema 1, see DESIGN) and where it lies.

    path: the JSON file; the per-user metrics stand beside it as .npz. Of a record that was
        published FILE:LINE; the per-user metrics of all stand beside FILE, if they were, too.
    values: the keys.
    """

    path: Path
    values: Mapping[str, Any]

    @property
    def status(self) -> str:
        """`ok`, `failed` or `stopped`."""
        return str(self.values["status"])

    @property
    def trial(self) -> Mapping[str, Any]:
        """The resolved trial: dataset, encoder, model, protocol, hyperparameters, seed."""
        trial: Mapping[str, Any] = self.values["trial"]
        return trial

    def json(self) -> str:
        """Return the record as the text of its file."""
        return json.dumps(self.values, indent=1, ensure_ascii=False)

    def per_user(self) -> dict[str, NDArray[Any]]:
        """Return `users` (n_users,) and "recall@20" → (n_users,) of the test part."""
        path, begin = self.vectors
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in file.files if name.startswith(begin)]
            read = {name.removeprefix(begin): name for name in names}
            return {to: file[name] for to, name in read.items() if not to.startswith(BESIDE)}

    @property
    def vectors(self) -> tuple[Path, str]:
        """The file of the per-user metrics, and what the names of its arrays begin with."""
        if "per_user" in self.values:
            return self.path.with_name(USERS_FILE), f"{self.name}/"
        return self.path.with_suffix(".npz"), ""

    @property
    def name(self) -> str:
        """Trial and seed, as the file of a record is called."""
        return f"{str(self.values['fingerprints']['trial'])[:SHORT]}-s{self.trial['seed']}"

    def write(self, per_user: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Write the JSON and the metrics; where the JSON is, the record is whole.

        UsageError where the disk is full or read-only; what stood there before then stays.
        """
        arrays = self.path.with_suffix(".npz")
        with whole_file(self.path) as json_part:
            json_part.write_text(self.json() + "\n", encoding="utf-8")
            if per_user is None:
                arrays.unlink(missing_ok=True)
                return
            with whole_file(arrays) as part, part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **dict(per_user))


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        UsageError: the file cannot be read, is no record, or is of another schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the record {path}: {error}") from error
    return _record(text, path)


def _record(text: str, path: Path) -> Record:
    """Return the record of a JSON text; UsageError as `read_record`, its path in front."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the record {path}: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("trial"), dict):
        raise UsageError(f"{path} is no record: it lacks the key 'trial'")
    if values.get("schema") != SCHEMA:
        raise UsageError(f"{path}: schema {values.get('schema')}, this mmbench reads {SCHEMA}")
    for key in ("status", "fingerprints", "encoder", "metrics"):
        if key not in values:
            raise UsageError(f"{path} is no whole record: it lacks the key '{key}'")
    return Record(path, values)


def read_lines(path: Path) -> Iterator[Record | UsageError]:
    """Yield the records of a file with one a line, as `mmbench publish` writes it, in order.

    A line that is no record, and a file that cannot be read, give what `read_record` would raise.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        yield UsageError(f"cannot read the records {path}: {error}")
        return
    yield from parsed(text, path)


def parsed(text: str, path: Path) -> Iterator[Record | UsageError]:
    """Yield the records of a text with one a line; see `read_lines`.

    The path of each is FILE:LINE: no such file is there, nor are there per-user metrics beside it.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _record(line, path.with_name(f"{path.name}:{number}"))
        except UsageError as error:
            yield error


def lines_paths(folder: Path) -> Iterator[Path]:
    """Yield where records stand one a line below a folder, in order."""
    yield from (path for path in sorted(folder.rglob(LINES)) if path.is_file())


def record_paths(folder: Path) -> Iterator[Path]:
    """Yield where the records below a folder are, in order."""
    yield from (path for path in sorted(folder.rglob("*.json")) if path.name[0] != ".")


def read_records(folder: Path) -> Iterator[Record]:
    """Yield the records below a folder, in the order of their paths."""
    yield from map(read_record, record_paths(folder))
