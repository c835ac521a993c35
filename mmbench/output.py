"""Where a verb puts a text that may become a file."""

from pathlib import Path

from mmbench.atomic import whole_file


def tell(text: str, out: Path | None) -> None:
    """Print a text, or write it whole to a file and print where that is."""
    if out is None:
        print(text.rstrip("\n"))
        return
    with whole_file(out) as part:
        part.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    print(out)
