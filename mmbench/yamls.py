"""Plain YAML, read strictly: no code, no repeated key, 1e-3 is a number."""

import re
from pathlib import Path
from typing import Any

import yaml

from mmbench.errors import UsageError


class _Loader(yaml.SafeLoader):
    """YAML's safe loader (tags that build Python objects are refused) with two repairs."""


# YAML 1.1 reads 1e-3 as a string because it has no dot; every person means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.MarkedYAMLError(None, None, f"key '{key}' stands twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML text; `where` names its origin in messages.

    Raises:
        UsageError: it is no YAML, repeats a key or asks for a Python object.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, see above
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{where}{line}: not plain YAML ({problem})") from error
    except RecursionError as error:
        raise UsageError(f"{where}: not plain YAML (nested too deeply)") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds.

    Raises:
        UsageError: the file cannot be read or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    value = parse_yaml(text, str(path))
    if not isinstance(value, dict):
        raise UsageError(f"{path}: expected `key: value` lines")
    return value
