"""Checkpoints a person brings: no code runs, and a file that is not whole is told."""

import pickle

import pytest
import torch
from tiny import Payload

from mmbench.encoders.checkpoint import pinned_sha256, read_checkpoint
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256


def test_code_in_a_file_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"w": Payload(touched)}, protocol=2))
    torch.save({"model": Payload(touched)}, tmp_path / "zip.pt")
    for name in ("plain.pt", "zip.pt"):
        with pytest.raises(UsageError, match=f"{name}: no file of tensors only") as error:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not touched.exists()
    pickle.loads((tmp_path / "plain.pt").read_bytes())  # the payload is live: here it does run
    assert touched.exists()


def test_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(50, 50).state_dict(), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"model\.pt") as error:
            read_checkpoint(path)
        assert "\n" not in str(error.value)
    torch.save(torch.zeros(2), path)
    with pytest.raises(UsageError, match="holds a Tensor, not a state dict"):
        read_checkpoint(path)
    with pytest.raises(UsageError, match=r"missing\.pt"):
        read_checkpoint(tmp_path / "missing.pt")


def test_a_pin_holds_a_file_to_its_bytes(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"these bytes")
    good = file_sha256(path)
    assert pinned_sha256(path, None) == pinned_sha256(path, good) == good
    path.write_bytes(b"other bytes")
    with pytest.raises(UsageError, match=r"model\.pt: .* fetch the file again"):
        pinned_sha256(path, good)
