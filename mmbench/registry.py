"""Name → "module:Class", resolved on first use, so that a table of plug-ins costs no import."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from mmbench.errors import UsageError, nearest


class Registry(Mapping[str, str]):
    """A table of plug-ins of one kind.

    Args:
        noun: what the table holds, for error messages ("dataset source").
        table: name → "module:attribute".
    """

    def __init__(self, noun: str, table: Mapping[str, str]) -> None:
        self.noun = noun
        self._table = dict(table)

    def __getitem__(self, name: str) -> str:
        if name not in self._table:
            raise UsageError(f"unknown {self.noun} '{name}': {nearest(name, self._table)}")
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def resolve(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            UsageError: no such name; the message gives the nearest ones.
        """
        module, attribute = self[name].split(":")
        return getattr(import_module(module), attribute)
