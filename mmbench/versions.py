"""Which versions made a number: of the libraries, and of mmbench's own source."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "mmbench",
    "recbole",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "ray",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "pillow",
)


def installed(package: str) -> str | None:
    """Return the installed version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return Python's version and those of the installed packages that make numbers."""
    found = {package: installed(package) for package in PACKAGES}
    return {"python": platform.python_version(), **{k: v for k, v in found.items() if v}}


def commit() -> str | None:
    """Return the commit of mmbench's checkout, with "+" where files differ from it.

    None where mmbench is not installed from a git checkout of its own.
    """
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    return head and head + ("+" if _git(root, "status", "--porcelain", "-uno") else "")


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            # Without locks: a run killed at this moment must not leave one in the checkout.
            ["git", "--no-optional-locks", "-C", str(root), *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
