"""Checkpoints a person brings: no code runs, and a file that is not whole is told."""

import pickle
import random
import warnings

import pytest
import torch
from tiny import Payload

from mmbench.encoders.checkpoint import pinned_sha256, read_checkpoint
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

JUNK = "{}: no file that torch can read, or not all of it: fetch it again"


def refusal(path):
    """Return the one line that is all a person reads of a file: no warning comes before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError) as caught:
            read_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of writing a TorchScript
def test_code_in_a_file_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    for protocol in range(2, 6):
        held = pickle.dumps({"w": Payload(touched)}, protocol=protocol)
        (tmp_path / f"plain{protocol}.pt").write_bytes(held)
    torch.save({"model": Payload(touched)}, tmp_path / "zip.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    files = sorted(tmp_path.glob("*.pt"))
    assert len(files) == 7
    for path in files:
        line = refusal(path)
        assert line.startswith(f"{path}: holds Python objects beside tensors")
        assert line.endswith("save its state dict as .safetensors")
    assert not touched.exists()
    pickle.loads((tmp_path / "plain2.pt").read_bytes())  # the payload is live: here it does run
    assert touched.exists()


def test_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(50, 50).state_dict(), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no checkpoint"):
        path.write_bytes(content)
        assert refusal(path) == JUNK.format(path)
    torch.save(torch.zeros(2), path)
    with pytest.raises(UsageError, match="holds a Tensor, not a state dict"):
        read_checkpoint(path)
    assert "missing.pt: cannot be read (No such file" in refusal(tmp_path / "missing.pt")


def test_bytes_of_any_kind_are_refused_in_one_line(tmp_path):
    path, draw = tmp_path / "model.pt", random.Random(0)
    for first in range(256):
        path.write_bytes(bytes([first]) + draw.randbytes(60))
        assert refusal(path) == JUNK.format(path)


def test_a_pin_holds_a_file_to_its_bytes(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"these bytes")
    good = file_sha256(path)
    assert pinned_sha256(path, None) == pinned_sha256(path, good) == good
    path.write_bytes(b"other bytes")
    with pytest.raises(UsageError, match=r"model\.pt: .* fetch the file again"):
        pinned_sha256(path, good)
