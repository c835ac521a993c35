"""Which cells may share a table: those of one protocol, and of one version of each dataset."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mmbench.board.cell import Cell
from mmbench.board.layout import Layout

PRINT = 6  # characters of a fingerprint that tell two versions apart


@dataclass(frozen=True)
class Group:
    """The cells of one table.

    dataset: its name, None where several may be in the table. protocol: its name.
    """

    dataset: str | None
    protocol: str
    cells: tuple[Cell, ...]


def groups(cells: Iterable[Cell], layout: Layout) -> list[Group]:
    """Return the groups, by name; where a name has several versions, each says which."""
    named = _with_versions(list(cells))
    ranks = _ranks(named)
    found: dict[tuple[str, str, str, int], list[Cell]] = defaultdict(list)
    for cell in named:
        dataset = "" if "dataset" in layout.nouns else cell.dataset
        found[dataset, cell.protocol, cell.rule, ranks[cell.dataset]].append(cell)
    return [Group(key[0] or None, key[1], tuple(one)) for key, one in sorted(found.items())]


def _with_versions(cells: list[Cell]) -> list[Cell]:
    """Return the cells, the fingerprint beside the name of a dataset or protocol with several."""
    versions, rules = defaultdict(set), defaultdict(set)
    for cell in cells:
        versions[cell.dataset].add(cell.version)
        rules[cell.protocol].add(cell.rule)
    told = []
    for cell in cells:
        version = f" ({cell.version[:PRINT]})" if len(versions[cell.dataset]) > 1 else ""
        rule = f" ({cell.rule[:PRINT]})" if len(rules[cell.protocol]) > 1 else ""
        dataset, protocol = cell.dataset + version, cell.protocol + rule
        told.append(replace(cell, dataset=dataset, protocol=protocol))
    return told


def _ranks(cells: list[Cell]) -> dict[str, int]:
    """Return, of each dataset with its version, the how manieth version it is; most cells first.

    Tables of several datasets take one version of each: all first ones share, all second ones.
    """
    sizes = Counter((cell.dataset, cell.version) for cell in cells)
    seen: Counter[str] = Counter()
    ranks = {}
    for (dataset, version), _ in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        name = dataset.removesuffix(f" ({version[:PRINT]})")
        ranks[dataset] = seen[name]
        seen[name] += 1
    return ranks
