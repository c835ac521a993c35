"""Why a training failed, read from what Ray wrote of it."""

from mmbench.sweeps.job_error import JobError, error_in


def test_half_a_failure_on_disk_is_a_full_disk(tmp_path):
    """Ray writes why a training failed into the home, too."""
    whole = tmp_path / "whole.txt"
    whole.write_text(f"Failure # 1\nJobError: {JobError.of(ValueError('no')).args[0]}\n")
    assert error_in(str(whole))["type"] == "ValueError"
    cut = tmp_path / "cut.txt"
    for text in ("", whole.read_text()[:40]):
        cut.write_text(text)
        assert error_in(str(cut))["type"] == "DiskError"
    assert error_in(str(tmp_path / "none.txt"))["type"] == error_in(None)["type"] == "DiskError"
