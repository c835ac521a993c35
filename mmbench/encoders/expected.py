"""What the model of a named encoder is, so that no other one is recorded under its name."""

from collections.abc import Mapping
from typing import Any

from mmbench.errors import UsageError


def check_expected(where: str, told: Mapping[str, Any], expected: str | None) -> None:
    """Refuse a model whose configuration is not that of the encoder's own.

    Args:
        where: the configuration is, for the message.
        told: what it says, mappings in mappings.
        expected: KEY=VALUE with blanks between them; dots lead into inner mappings, as in
            vision_config.image_size=224. None where any model will do.

    Raises:
        UsageError: a value is another one; names the key, what was found and what was wanted.
    """
    for pair in (expected or "").split():
        key, _, wanted = pair.partition("=")
        found = _found(told, key)
        if str(found) != wanted:
            raise UsageError(
                f"{where}: {key} is {found}, that of this encoder's model is {wanted}: bring its "
                "own model, or choose an encoder that takes any (`mmbench list encoders`)"
            )


def _found(told: Mapping[str, Any], key: str) -> Any:
    found: Any = told
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
