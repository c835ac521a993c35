"""Archives of strangers: what is honest comes out, what leads elsewhere or bursts does not."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from mmbench.datasets.download import extract
from mmbench.errors import UsageError

FILES = {"a.txt": b"one", "deep/er/b.bin": bytes(range(256)) * 40, "empty": b""}


def tar(path, files, mode="w:gz", **member):
    """Write a tar; `member` are attributes that its entries get."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in member.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path, files, rights=0o644, kind=stat.S_IFREG):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | rights) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def taken_out(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def refused(archive, tmp_path, reason, **limits):
    with pytest.raises(UsageError, match=reason) as told:
        extract(archive, tmp_path / "out", **limits)
    assert "\n" not in str(told.value)
    assert str(archive) in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_comes_out(tmp_path, mode):
    archive = tar(tmp_path / "any-name", FILES, mode)
    assert extract(archive, tmp_path / "out") == tmp_path / "out"
    assert taken_out(tmp_path / "out") == FILES


def test_a_zip_comes_out(tmp_path):
    archive = zipped(tmp_path / "any-name", FILES)
    assert taken_out(extract(archive, tmp_path / "out")) == FILES


def test_a_tar_with_long_names_and_folders_comes_out(tmp_path):
    (tmp_path / "in" / "x" / ("long" * 40)).mkdir(parents=True)
    (tmp_path / "in" / "x" / ("long" * 40) / ("name" * 40)).write_text("here")
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in", ".")
    out = taken_out(extract(tmp_path / "t.tar.gz", tmp_path / "out"))
    assert out == {f"x/{'long' * 40}/{'name' * 40}": b"here"}


def test_rights_are_not_taken_over(tmp_path):
    for archive in (tar(tmp_path / "t", FILES, mode="w"), zipped(tmp_path / "z", FILES, 0o6777)):
        out = extract(archive, tmp_path / f"out-{archive.name}")
        assert not (out / "a.txt").stat().st_mode & 0o6111


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("name", ["../a", "x/../../a", "/etc/a", "..\\a", "C:\\a", "x/.."])
def test_a_path_that_leads_out_is_refused(tmp_path, make, name):
    refused(make(tmp_path / "bad", {"good": b"1", name: b"2"}), tmp_path, "leads out of the folder")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    archive = tar(tmp_path / "bad", {"a": b""}, type=kind, linkname="/etc/passwd")
    refused(archive, tmp_path, "'a' is a link or a device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_of_a_zip_are_refused(tmp_path, kind):
    refused(zipped(tmp_path / "bad", {"a": b"/etc"}, kind=kind), tmp_path, "a link or a device")


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_bomb_is_refused(tmp_path, make):
    archive = make(tmp_path / "bomb", {f"{part}": bytes(3_000_000) for part in range(4)})
    assert archive.stat().st_size < 100_000
    refused(archive, tmp_path, "more than 10,000,000 bytes", limit_bytes=10_000_000)
    assert len(taken_out(extract(archive, tmp_path / "out", limit_bytes=12_000_000))) == 4


def test_a_zip_that_lies_of_its_sizes_is_refused(tmp_path):
    archive = zipped(tmp_path / "bad", {"a": bytes(50_000)})
    body = archive.read_bytes()
    assert body.count((50_000).to_bytes(4, "little")) == 2
    archive.write_bytes(body.replace((50_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    refused(archive, tmp_path, "cannot be taken out")


def test_a_tar_header_without_bound_is_refused(tmp_path):
    """A forged header is read into memory at once by a reader that trusts it."""
    forged = tarfile.TarInfo("././@LongLink")
    forged.type, forged.size = tarfile.GNUTYPE_LONGNAME, 40_000_000
    archive = tmp_path / "bad"
    with gzip.open(archive, "wb") as file:
        file.write(forged.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_000))
    refused(archive, tmp_path, "a header without bound")


def test_a_tail_without_bound_is_refused(tmp_path):
    tar(tmp_path / "plain", FILES, mode="w")
    archive = tmp_path / "bad"
    with gzip.open(archive, "wb") as file:
        file.write((tmp_path / "plain").read_bytes() + bytes(40_000_000))
    (tmp_path / "plain").unlink()
    refused(archive, tmp_path, "it gives more than")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_tar_that_ends_early_is_refused(tmp_path, mode, share):
    noise = {str(part): gzip.compress(str(part).encode() * 999) * 40 for part in range(30)}
    archive = tar(tmp_path / "cut", noise, mode)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    refused(archive, tmp_path, "fetch it again")


def test_a_tar_cut_between_two_files_is_refused(tmp_path):
    archive = tar(tmp_path / "cut", {"a": b"1", "b": b"2"}, mode="w")
    archive.write_bytes(archive.read_bytes()[: 2 * tarfile.BLOCKSIZE])
    refused(archive, tmp_path, "ends early")


def test_a_zip_that_ends_early_is_refused(tmp_path):
    archive = zipped(tmp_path / "cut", FILES)
    archive.write_bytes(archive.read_bytes()[:-30])
    refused(archive, tmp_path, "fetch it again")


def test_a_damaged_member_is_refused(tmp_path):
    archive = zipped(tmp_path / "bad", {"a": gzip.compress(b"noise") * 50})
    body = bytearray(archive.read_bytes())
    body[60] ^= 0xFF
    archive.write_bytes(body)
    refused(archive, tmp_path, "fetch it again")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<html>" * 999, gzip.compress(b"{}" * 9999, mtime=0)]
)
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "page").write_bytes(content)
    refused(tmp_path / "page", tmp_path, "neither a zip nor a tar archive")


@pytest.mark.parametrize("names", [["a", "a"], ["a", "a/b"], ["a/b", "a"], ["a", "./a"]])
def test_a_name_that_stands_twice_is_refused(tmp_path, names):
    archive = tmp_path / "bad"
    with tarfile.open(archive, "w") as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(name))
    refused(archive, tmp_path, "stands twice")


def test_a_locked_zip_is_refused(tmp_path):
    archive = zipped(tmp_path / "bad", {"a": b"secret"})
    body = bytearray(archive.read_bytes())
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(body)
    refused(archive, tmp_path, "locked with a password")


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    archive = zipped(tmp_path / "z", FILES)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        extract(archive, tmp_path / "mine")
    assert taken_out(tmp_path / "mine") == {"kept": b"mine"}


def test_an_archive_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        extract(tmp_path / "none", tmp_path / "out")
