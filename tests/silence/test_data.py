"""Data sets: what changed is noticed, what is damaged is refused, what is wrong is named."""

import errno
import fcntl
import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from srgrid import images
from srgrid.code import code_identity
from srgrid.data import digests, download, fetch, hub, load, registry, sources
from srgrid.data.archive import extract
from srgrid.data.fingerprint import fingerprint
from srgrid.data.take import take
from srgrid.errors import SrgridError
from srgrid.files import read_manifest


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SRGRID_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SRGRID_CACHE", str(tmp_path / "cache"))


PIXELS = {name: np.full((24, 32, 3), shade, np.uint8) for name, shade in (("a", 50), ("b", 90), ("c", 130))}


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    """`extra` with a set Tiny of three known images, half of it, and both; a mirror of it at tmp_path/m."""
    rows = [row for name, image in PIXELS.items() for row in digests.digest_rows(name, name, image)]
    digests.write_digests(tmp_path / "Tiny.csv", rows)
    for name, image in PIXELS.items():
        images.write(tmp_path / "m/Tiny/HR" / f"{name}.png", image)
    return {
        "Tiny": {"images": 3, "use": "test", "digests": str(tmp_path / "Tiny.csv")},
        "Tiny-half": {"images": 3, "use": "test", "from": "Tiny", "hr": [{"imresize": "1/2"}]},
        "Tiny-both": {"images": 6, "use": "train", "parts": ["Tiny", "Tiny-half"]},
    }


# 2. Data that changed outside the config


def replaced(root: Path) -> None:
    images.write(root / "m/Tiny/HR/a.png", PIXELS["b"][:20])


def replaced_under_its_date(root: Path) -> None:
    file = root / "m/Tiny/HR/a.png"
    then = file.stat()
    images.write(file, PIXELS["b"][:20])
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert file.stat().st_size != then.st_size


def touched(root: Path) -> None:
    os.utime(root / "m/Tiny/HR/a.png", ns=(1, 1))


def added(root: Path) -> None:
    images.write(root / "m/Tiny/HR/d.png", PIXELS["a"])


def taken_away(root: Path) -> None:
    (root / "m/Tiny/HR/c.png").unlink()


def renamed(root: Path) -> None:
    (root / "m/Tiny/HR/c.png").rename(root / "m/Tiny/HR/e.png")


def set_gone(root: Path) -> None:
    (root / "m/Tiny").rename(root / "m/Other")


def digests_edited(root: Path) -> None:
    text = (root / "Tiny.csv").read_text()
    (root / "Tiny.csv").write_text(text[:-70] + ("0" if text[-70] != "0" else "1") + text[-69:])


CHANGES = [replaced, replaced_under_its_date, touched, added, taken_away, renamed, set_gone, digests_edited]


@pytest.mark.parametrize("change", CHANGES)
def test_02_whatever_changes_in_a_mirror_changes_the_fingerprint(
    tmp_path: Path, tiny: dict[str, Any], change: Callable[[Path], None]
) -> None:
    sets = ("Tiny", "Tiny-half", "Tiny-both")
    before = {name: fingerprint(name, tmp_path / "m", tiny) for name in sets}
    assert before == {name: fingerprint(name, tmp_path / "m", tiny) for name in sets}
    assert len(set(before.values())) == 3
    change(tmp_path)
    for name in sets:
        assert fingerprint(name, tmp_path / "m", tiny) != before[name]


def test_02_another_mirror_is_noticed_wherever_it_is_named(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint("Tiny", tmp_path / "m", tiny)
    (tmp_path / "link").symlink_to(tmp_path / "m")
    assert fingerprint("Tiny", tmp_path / "link", tiny) == first
    monkeypatch.setenv("SRGRID_MIRROR", str(tmp_path / "m"))
    assert fingerprint("Tiny", None, tiny) == first
    (tmp_path / "m").rename(tmp_path / "n")
    monkeypatch.setenv("SRGRID_MIRROR", str(tmp_path / "n"))
    assert fingerprint("Tiny", None, tiny) != first
    (tmp_path / "empty").mkdir()
    hosts = fingerprint("Set5", tmp_path / "empty", None)
    assert hosts == fingerprint("Set5", tmp_path / "n", None) != fingerprint("Set14", tmp_path / "n", None)


def test_02_what_the_registry_says_is_part_of_it_and_what_it_merely_cites_is_not(
    tmp_path: Path, tiny: dict[str, Any]
) -> None:
    first = fingerprint("Tiny-half", tmp_path / "m", tiny)
    steps = {**tiny, "Tiny-half": {**tiny["Tiny-half"], "hr": [{"imresize": "1/3"}]}}
    assert fingerprint("Tiny-half", tmp_path / "m", steps) != first
    licence = {**tiny, "Tiny-half": {**tiny["Tiny-half"], "licence": "CC0"}}
    assert fingerprint("Tiny-half", tmp_path / "m", licence) == first


def test_02_a_fingerprint_fails_as_fetch_would(tmp_path: Path, tiny: dict[str, Any]) -> None:
    with pytest.raises(SrgridError, match="unknown data set"):
        fingerprint("Set6", tmp_path / "m", tiny)
    with pytest.raises(SrgridError, match="there is no such folder"):
        fingerprint("Tiny", tmp_path / "nowhere", tiny)
    (tmp_path / "Tiny.csv").unlink()
    with pytest.raises(SrgridError, match=r"Tiny\.csv: missing or damaged digest file"):
        fingerprint("Tiny", tmp_path / "m", tiny)


def test_02_fetch_records_what_it_took_and_the_code(tmp_path: Path, tiny: dict[str, Any]) -> None:
    fetch("Tiny-both", tmp_path / "out", tmp_path / "m", extra=tiny)
    made_by = read_manifest(tmp_path / "out")["made_by"]
    assert made_by["fingerprint"] == fingerprint("Tiny-both", tmp_path / "m", tiny)
    assert made_by["code"] == code_identity("srgrid.data.fetch")
    assert made_by["origins"] == {"Tiny": "mirror"}


def test_02_files_that_change_during_a_fetch_stop_it(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = images.read

    def slow(path: Path) -> images.Array:
        touched(tmp_path)
        return whole(path)

    monkeypatch.setattr(images, "read", slow)
    with pytest.raises(SrgridError, match="changed while they were fetched"):
        fetch("Tiny", tmp_path / "out", tmp_path / "m", extra=tiny)
    assert not (tmp_path / "out").exists()


def test_02_planning_stays_cheap(tmp_path: Path) -> None:
    folder = tmp_path / "m/DIV2K/HR"
    folder.mkdir(parents=True)
    for number in range(1, 801):
        (folder / f"{number:04d}.png").touch()
    fingerprint("DIV2K", tmp_path / "m", None)  # reads the registry
    start = time.perf_counter()
    fingerprint("DIV2K", tmp_path / "m", None)
    assert time.perf_counter() - start < 0.5  # 0.04 s alone
    heavy = "{'torch', 'datasets', 'requests', 'pooch', 'pandas', 'scipy', 'skimage', 'snakemake'}"
    code = f"import sys, srgrid.data.fingerprint; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# 26. Damaged archives


def tar_of(files: dict[str, bytes], mode: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(files: dict[str, bytes], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip stored": lambda files: zip_of(files, zipfile.ZIP_STORED),
    "zip deflate": lambda files: zip_of(files, zipfile.ZIP_DEFLATED),
    "zip bzip2": lambda files: zip_of(files, zipfile.ZIP_BZIP2),
    "zip lzma": lambda files: zip_of(files, zipfile.ZIP_LZMA),
    "tar": lambda files: tar_of(files, "w"),
    "tar.gz": lambda files: tar_of(files, "w:gz"),
    "tar.bz2": lambda files: tar_of(files, "w:bz2"),
    "tar.xz": lambda files: tar_of(files, "w:xz"),
}


@pytest.fixture(scope="session")
def packed_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The images of Tiny as PNG, and a text that is not wanted."""
    room = tmp_path_factory.mktemp("packed")
    for name, image in PIXELS.items():
        images.write(room / f"{name}.png", image)
    return {f"HR/{name}.png": (room / f"{name}.png").read_bytes() for name in PIXELS} | {"HR/about.txt": b"words" * 99}


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    """In a packed tar after 40 kB of noise: what is damaged is then met on the way, not when the archive is opened."""
    noise = {"HR/about.dat": Random("noise").randbytes(40_000)} if kind.startswith("tar.") else {}
    return KINDS[kind](noise | files)


def damaged(content: bytes, random: Random) -> bytes:
    """One to three bits flipped; sometimes the end cut off, a piece overwritten or doubled."""
    made = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 3))):
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    at = random.randrange(len(made))
    if random.random() < 0.2:
        piece = random.randbytes(random.randrange(1, 64))
        made[at : at + len(piece) * random.randrange(2)] = piece
    return bytes(made[:at] if random.random() < 0.1 else made)


@pytest.mark.parametrize("kind", KINDS)
def test_26_a_damaged_archive_is_refused_or_harmless(
    tmp_path: Path, tiny: dict[str, Any], packed_images: dict[str, bytes], kind: str
) -> None:
    """As fetch does it: unpacked, then recognised by known digests."""
    random = Random(f"26 {kind}")
    whole = packed(kind, packed_images)
    leaf = sources.Leaf(registry.get("Tiny", tiny))
    refused, trials = 0, int(os.environ.get("SRGRID_FUZZ", "60"))
    for number in range(trials):
        (tmp_path / "damaged").write_bytes(damaged(whole, random) if number else whole)
        room, out = tmp_path / f"room{number}", tmp_path / f"out{number}"
        room.mkdir()
        out.mkdir()
        try:
            files = extract(tmp_path / "damaged", room, ("HR/*",))
            entries = take(leaf, sources.Origin("here", "archive", tuple(files), strict=False), out, threads=1)
        except SrgridError as error:
            str(error).encode()
            refused += 1
            assert not list(out.iterdir())
        else:
            assert list(entries) == [f"{name}.png" for name in PIXELS]
            assert all((images.read(out / name) == PIXELS[name[:-4]]).all() for name in entries)
    assert trials // 10 < refused < trials


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_26_the_checksum_at_the_end_is_read(tmp_path: Path, packed_images: dict[str, bytes], kind: str) -> None:
    whole = bytearray(KINDS[kind](packed_images))
    whole[-6 if kind == "tar.gz" else -11] ^= 1  # gzip: the length, or the CRC before it
    for at in (None, -3) if kind == "tar.gz" else (None,):
        if at:
            whole[-6] ^= 1
            whole[at] ^= 1
        (tmp_path / "x").write_bytes(whole)
        (tmp_path / f"room{at}").mkdir()
        with pytest.raises(SrgridError, match="x: damaged archive"):
            extract(tmp_path / "x", tmp_path / f"room{at}")


def test_26_a_tar_does_not_end_at_a_damaged_header(tmp_path: Path, packed_images: dict[str, bytes]) -> None:
    whole = bytearray(tar_of(packed_images, "w"))
    second = 512 + -(-len(packed_images["HR/a.png"]) // 512) * 512
    assert whole[second : second + 8] == b"HR/b.png"
    whole[second + 110] ^= 1
    (tmp_path / "x").write_bytes(whole)
    (tmp_path / "room").mkdir()
    with pytest.raises(SrgridError, match=r"damaged archive \(an entry's header"):
        extract(tmp_path / "x", tmp_path / "room")


def test_26_an_image_longer_than_its_entry_says_is_refused(tmp_path: Path) -> None:
    whole = bytearray(KINDS["zip bzip2"]({"a.png": bytes(1000)}))
    size = whole.index(b"PK\x01\x02") + 24
    assert whole[size : size + 4] == (1000).to_bytes(4, "little")
    whole[size : size + 4] = (10).to_bytes(4, "little")
    (tmp_path / "x").write_bytes(whole)
    (tmp_path / "room").mkdir()
    with pytest.raises(SrgridError, match=r"x: a\.png is longer than declared; not unpacked"):
        extract(tmp_path / "x", tmp_path / "room")


@pytest.mark.parametrize("kind", ["tar.xz", "zip bzip2", "zip lzma"])
def test_26_the_next_host_is_asked_and_the_cache_keeps_nothing_damaged(
    tmp_path: Path,
    tiny: dict[str, Any],
    packed_images: dict[str, bytes],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = bytearray(packed(kind, packed_images))
    middle = whole.index(b"HR/a.png") + 60 if kind.startswith("zip") else len(whole) // 2
    good, whole[middle] = bytes(whole), whole[middle] ^ 0x10
    served = {"https://one.example/x": bytes(whole), "https://two.example/x": good}

    def serve(self: download.Resumable, url: str, output_file: str, *_: Any) -> None:
        Path(output_file).write_bytes(served[url])

    monkeypatch.setattr(download.Resumable, "__call__", serve)
    tiny["Tiny"]["sources"] = [{"kind": "archive", "host": url[8:11], "url": url} for url in served]
    fetch("Tiny", tmp_path / "out", extra=tiny)
    assert read_manifest(tmp_path / "out")["made_by"]["origins"] == {"Tiny": "archive https://two.example/x"}
    kept = [file.read_bytes() for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock" and file.is_file()]
    assert kept == [good]


# 27, 29. Small files that want much memory; names that not every system takes


def peak_of(code: str, *arguments: str) -> int:
    """The memory, in MiB, that some code adds to a process with srgrid loaded."""
    head = "import re, sys\nfrom pathlib import Path\nfrom srgrid.data.archive import extract\n"
    head += "from srgrid.errors import SrgridError\n"
    # Not ru_maxrss: a process inherits the largest that its parent was.
    head += "top = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024\n"
    head += "before = top()\n"
    command = [sys.executable, "-c", head + code + "\nprint(top() - before)", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def tar_with(kind: bytes, size: int, packer: Any) -> bytes:
    """A packed tar whose first entry is a name or attributes of so many bytes, all zeros."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    packed = io.BytesIO()
    with packer(packed, "wb", 1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return packed.getvalue()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_27_a_name_of_hundreds_of_mb_is_not_read(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "x").write_bytes(tar_with(kind, 128 << 20, gzip.open))
    (tmp_path / "room").mkdir()
    code = """
try: extract(Path(sys.argv[1]), Path(sys.argv[2]))
except SrgridError as error: assert "without end" in str(error), error
else: raise SystemExit("taken")"""
    assert peak_of(code, str(tmp_path / "x"), str(tmp_path / "room")) < 44


@pytest.mark.parametrize("kind", ["zip bzip2", "zip lzma"])
def test_27_an_image_that_packs_well_is_unpacked_in_pieces(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(KINDS[kind]({"a.png": bytes(96 << 20)}))
    (tmp_path / "room").mkdir()
    code = "extract(Path(sys.argv[1]), Path(sys.argv[2]))"
    assert peak_of(code, str(tmp_path / "x"), str(tmp_path / "room")) < 80  # LZMA: 28 MiB at once, twice
    assert (tmp_path / "room/a.png").stat().st_size == 96 << 20


def test_27_entries_of_negative_size_or_with_holes_are_refused(tmp_path: Path) -> None:
    negative = tarfile.TarInfo("a.png")
    negative.size = -512
    sparse = tarfile.TarInfo("a.png")
    sparse.pax_headers = {"GNU.sparse.map": "0,1,1000000000000,1", "GNU.sparse.size": "1000000000001"}
    for info in (negative, sparse):
        form = tarfile.PAX_FORMAT if info.pax_headers else tarfile.GNU_FORMAT
        (tmp_path / "x").write_bytes(info.tobuf(form) + bytes(1024))
        (tmp_path / "room").mkdir(exist_ok=True)
        with pytest.raises(SrgridError, match=r"negative size|holes"):
            extract(tmp_path / "x", tmp_path / "room")


NAMES = {
    "241 bytes": ("HR/" + "é" * 118 + "x.png", "too long a name"),
    "a part of 300": ("d" * 300 + "/a.png", "too long a name"),
    "1000 folders": ("d/" * 1000 + "a.png", "too long a name"),
    "carriage return": ("HR/a\rb.png", "not plain text"),
    "not UTF-8": ("HR/caf\udce9.png", "not plain text"),
    "a file and a folder": ("HR/a.png/b.png", "cannot be written"),
}


@pytest.mark.parametrize("name", NAMES)
def test_29_names_in_archives_that_not_every_system_takes(tmp_path: Path, name: str) -> None:
    bad, message = NAMES[name]
    (tmp_path / "x").write_bytes(tar_of({"HR/a.png": b"1", bad: b"2"}, "w"))
    (tmp_path / "room").mkdir()
    with pytest.raises(SrgridError, match=message) as caught:
        extract(tmp_path / "x", tmp_path / "room")
    str(caught.value).encode()


def test_29_names_of_unwanted_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tar_of({"HR/a.png": b"1", "HR/caf\udce9\n.txt": b"2"}, "w"))
    (tmp_path / "room").mkdir()
    assert [file.name for file in extract(tmp_path / "x", tmp_path / "room")] == ["a.png"]


def test_29_a_damaged_tag_of_a_broken_download_is_forgotten(tmp_path: Path) -> None:
    loader = download.Resumable(tmp_path / "x.part", download.Patience(), False, None)
    for kept, tag in ((b'"abc"', '"abc"'), (b'"a\nb"', ""), (b"\xff\xfe", ""), (b"", "")):
        loader.tag.write_bytes(kept)
        assert loader._etag() == tag


# 25. Definitions that do not fit


def made_of(**more: Any) -> dict[str, Any]:
    return {"images": 3, "use": "test", **more}


HALF = [{"imresize": "1/2"}]
DEFINITIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a circle of two": (
        {"A": made_of(**{"from": "B"}, hr=HALF), "B": made_of(**{"from": "A"}, hr=HALF)},
        "(A -> B -> A|B -> A -> B): made from itself",
    ),
    "a circle of three, mixed": (
        {"A": made_of(parts=["B"]), "B": made_of(**{"from": "C"}, hr=HALF), "C": made_of(parts=["A"])},
        "made from itself",
    ),
    "a circle of LR": (
        {"A": made_of(lr={"of": "B", "times": 2}), "B": made_of(lr={"of": "A", "times": 2})},
        "made from itself",
    ),
    "a variant of another number": ({"A": made_of(**{"from": "Set5"}, hr=HALF)}, r"A: images says 3, but Set5 .*has 5"),
    "LR of another number": ({"A": made_of(lr={"of": "Set5", "times": 2})}, r"A: images says 3, but Set5 .*has 5"),
    "parts of another number": ({"A": made_of(parts=["Set5", "Set14"])}, "A: images says 3, but its parts have 19"),
    "two faults": (
        {"A": made_of(parts=["Nope"]), "B": made_of(parts=["Set5"])},
        r"(?s)there is no data set 'Nope'.*B: images says 3, but its parts have 5",
    ),
    "a line feed in a name": ({"A\n": made_of()}, "does not match"),
    "a line feed in a part": ({"A": made_of(names=["a", "b", "c\n"])}, r"A\.names"),
    "a long name": ({"A" * 101: made_of()}, "too long"),
    "an enormous number": ({"A": made_of(names={"format": "{}", "first": 10**40})}, r"A\.names"),
    "an enormous ratio": ({"A": made_of(**{"from": "Tiny"}, hr=[{"imresize": "9" * 5000}])}, "does not match"),
    "an image of 100 times the size": (
        {"A": {**made_of(**{"from": "Set5"}, hr=[{"imresize": "100"}]), "images": 5}},
        "enlarges by at most 8",
    ),
    "a hidden name": ({"A": made_of(names={"format": ".{}", "first": 1})}, "format"),
    "a package that comes second": (
        {
            "A": made_of(
                sources=[
                    {"kind": "archive", "host": "h", "url": "https://x.example/a.zip"},
                    {"kind": "package", "package": "skimage", "folder": "data", "files": ["a.png"]},
                ]
            )
        },
        "a package stands first",
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_25_definitions_that_contradict_themselves(name: str) -> None:
    extra, message = DEFINITIONS[name]
    with pytest.raises(SrgridError, match=message):
        registry.load_registry(extra)


def test_25_definitions_nested_without_end() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(SrgridError, match="nested too deeply"):
        registry.load_registry({"A": made_of(names=deep)})


def test_25_numbers_and_names_that_yaml_reads_in_another_way() -> None:
    extra: Any = {2024: {"images": 3.0, "use": "test", "names": {"format": "{:02d}", "first": 1.0}}}
    entry = registry.get("2024", extra)
    assert (entry.name, entry.images, entry.image_names) == ("2024", 3, ("01", "02", "03"))


def test_25_five_images_with_three_digests_are_not_verified(tmp_path: Path, tiny: dict[str, Any]) -> None:
    tiny["Tiny"]["images"] = 5
    tiny = {"Tiny": tiny["Tiny"]}
    for stage in (registry.get, registry.resolve):
        with pytest.raises(SrgridError, match=r"Tiny: images says 5, but .*Tiny\.csv has the digests of 3"):
            stage("Tiny", extra=tiny)
    with pytest.raises(SrgridError, match="images says 5"):
        fingerprint("Tiny", tmp_path / "m", tiny)
    with pytest.raises(SrgridError, match="images says 5"):
        fetch("Tiny", tmp_path / "out", tmp_path / "m", extra=tiny)


def test_25_names_and_digests_must_agree(tmp_path: Path, tiny: dict[str, Any]) -> None:
    wrong = {**tiny, "Tiny": {**tiny["Tiny"], "names": ["a", "b", "x"]}}
    with pytest.raises(SrgridError, match="Tiny: names and digests disagree: c, x"):
        registry.get("Tiny", wrong)
    wrong = {**tiny, "Tiny-half": {**tiny["Tiny-half"], "names": ["p", "q", "r"]}}
    with pytest.raises(SrgridError, match="not those that it is made of: a, b, c, p, q, r"):
        fetch("Tiny-half", tmp_path / "out", tmp_path / "m", extra=wrong)


def test_25_parts_whose_images_would_share_names(tiny: dict[str, Any]) -> None:
    one = {"images": 1, "use": "test"}
    extra = {
        "P": {**one, "names": ["Q_a"]},
        "P_Q": {**one, "names": ["a"]},
        "Both": {"images": 2, "use": "test", "parts": ["P", "P_Q"]},
    }
    with pytest.raises(SrgridError, match="two of its images would be called P_Q_a"):
        registry.get("Both", extra)


def test_25_a_package_that_is_missing_leaves_the_hosts_to_ask(tmp_path: Path) -> None:
    sources_of = [
        {"kind": "package", "package": "no_such_package.data", "folder": "x", "files": ["a.png"]},
        {"kind": "archive", "host": "h", "url": "https://x.example/a.zip"},
    ]
    extra = {"P": {"images": 1, "use": "test", "sources": sources_of}}
    with pytest.raises(SrgridError, match=r"https://x\.example/a\.zip: not downloaded, HF_HUB_OFFLINE"):
        fetch("P", tmp_path / "out", extra=extra)


# 18, 9, 29. File names and files of other kinds in mirrors


def test_18_a_name_has_one_spelling(tmp_path: Path, tiny: dict[str, Any]) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    images.write(tmp_path / "m/Bar/HR" / f"{decomposed}.png", PIXELS["a"])
    assert registry.resolve("Bar", tmp_path / "m").image_names == (composed,)
    fetch("Bar", tmp_path / "out", tmp_path / "m")
    assert list(read_manifest(tmp_path / "out")["files"]) == [f"{composed}.png"]
    rows = digests.digest_rows(decomposed, f"{decomposed}_original", PIXELS["a"])
    digests.write_digests(tmp_path / "Bar.csv", rows)
    entry = registry.get("Bar", {"Bar": {"images": 1, "use": "test", "digests": str(tmp_path / "Bar.csv")}})
    assert entry.image_names == (composed,)
    for stem in (composed, decomposed, f"{composed}_original", f"{decomposed}_original"):
        assert entry.image_of(stem) == composed


def test_18_two_spellings_of_one_name_are_two_files_too_many(tmp_path: Path) -> None:
    for stem in ("caf\u00e9", "cafe\u0301"):
        images.write(tmp_path / "m/Bar/HR" / f"{stem}.png", PIXELS["a"])
    with pytest.raises(SrgridError, match=r"same name|twice"):
        fetch("Bar", tmp_path / "out", tmp_path / "m")


def test_09_one_foreign_name_does_not_shift_all_others(tmp_path: Path) -> None:
    """0801 is an image of the validation set; it was taken for 0003."""
    for number in (1, 2, 801):
        images.write(tmp_path / "m/Mine/HR" / f"{number:04d}.png", PIXELS["a"])
    extra = {"Mine": {"images": 3, "use": "train", "names": {"format": "{:04d}", "first": 1}}}
    with pytest.raises(SrgridError, match=r"Mine: .* holds 0801 where 0003 should be"):
        fetch("Mine", tmp_path / "out", tmp_path / "m", extra=extra)


@pytest.mark.parametrize("other", ["a pipe", "a folder", "a dangling link"])
def test_29_what_is_no_file_in_a_mirror_is_named_and_nothing_hangs(
    tmp_path: Path, tiny: dict[str, Any], other: str
) -> None:
    intruder = tmp_path / "m/Tiny/HR/x.png"
    if other == "a pipe":
        os.mkfifo(intruder)
    elif other == "a folder":
        intruder.mkdir()
    else:
        intruder.symlink_to("nowhere.png")
    for step in (lambda: fetch("Tiny", tmp_path / "out", tmp_path / "m", extra=tiny),):
        with pytest.raises(SrgridError, match=r"x\.png"):
            step()
    with pytest.raises(SrgridError, match=r"x\.png"):
        fingerprint("Tiny", tmp_path / "m", tiny)


def test_29_a_pipe_instead_of_a_digest_file(tmp_path: Path, tiny: dict[str, Any]) -> None:
    (tmp_path / "Tiny.csv").unlink()
    os.mkfifo(tmp_path / "Tiny.csv")
    with pytest.raises(SrgridError, match=r"Tiny\.csv: missing or damaged digest file"):
        registry.get("Tiny", tiny)


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden", "a/b", "a\nb", "x" * 300, "caf\udce9"])
def test_29_a_folder_of_the_mirror_that_is_no_name_of_a_set(tmp_path: Path, name: str) -> None:
    images.write(tmp_path / "m/HR/a.png", PIXELS["a"])
    images.write(tmp_path / "HR/a.png", PIXELS["a"])
    with pytest.raises(SrgridError, match="unknown data set") as caught:
        registry.resolve(name, tmp_path / "m")
    str(caught.value).encode()


# 29. Digest files

GOOD = "image,original,width,height,channels,sha256,thumbprint\n"
SHA, SMALL = "0" * 63 + "1", "7f" * 64
DIGESTS = {
    "empty": ("", "no column image"),
    "other columns": ("image,width\na,3\n", "no column original"),
    "semicolons": (GOOD.replace(",", ";") + f"a;a;9;9;3;{SHA};{SMALL}\n", "no column"),
    "short row": (GOOD + "a,a,9\n", "line 2"),
    "long row": (GOOD + f"a,a,9,9,3,{SHA},{SMALL}\na,,8,8,3,{SHA},,x,y\na,,8,8,3,{SHA},,x,y\n", "line 4"),
    "path": (GOOD + f"../../a,a,9,9,3,{SHA},{SMALL}\n", "no name of an image"),
    "no name": (GOOD + f",a,9,9,3,{SHA},{SMALL}\n", "no name of an image"),
    "control character": (GOOD + f'"a\rb",a,9,9,3,{SHA},{SMALL}\n', "no name of an image"),
    "not hexadecimal": (GOOD + f"a,a,9,9,3,{SHA[:-1]}g,{SMALL}\n", "64 hexadecimal"),
    "upper case": (GOOD + f"a,a,9,9,3,{'A' * 64},{SMALL}\n", "64 hexadecimal"),
    "negative": (GOOD + f"a,a,-9,9,3,{SHA},{SMALL}\n", "no size in pixels"),
    "enormous": (GOOD + f"a,a,{'9' * 5000},9,3,{SHA},{SMALL}\n", "no size in pixels"),
    "two channels": (GOOD + f"a,a,9,9,2,{SHA},{SMALL}\n", "channels"),
    "thumbprint": (GOOD + f"a,a,9,9,3,{SHA},7f7f\n", "2 bytes, not 64"),
    "twice": (GOOD + f"a,a,9,9,3,{SHA},{SMALL}\na,,9,9,3,{SHA},{SMALL}\n", "comes twice"),
    "larger crop": (GOOD + f"a,a,9,9,3,{SHA},{SMALL}\na,,12,9,3,{SHA},\n", "no crop"),
    "one picture, two names": (GOOD + f"a,a,9,9,3,{SHA},{SMALL}\nb,b,9,9,3,{SHA},{SMALL}\n", "same pixels"),
    "field without end": (GOOD + f'a,"{"x" * 200_000}', "field larger"),
    "NUL": (GOOD + "a\0,a,9,9,3,x,y\n", "no name|NUL|64 hex"),
    "quote": (GOOD + f'"a"b,a,9,9,3,{SHA},{SMALL}\n', "expected"),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_29_a_digest_file_that_is_none(tmp_path: Path, name: str) -> None:
    content, message = DIGESTS[name]
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(SrgridError, match=rf"d\.csv: missing or damaged digest file \(.*({message})"):
        digests.read_digests(tmp_path / "d.csv")


def test_29_any_damage_to_a_digest_file_ends_in_a_message_or_in_a_file_of_the_same_form(
    tmp_path: Path, tiny: dict[str, Any]
) -> None:
    random = Random("29 digests")
    whole = (tmp_path / "Tiny.csv").read_bytes()
    refused, trials = 0, int(os.environ.get("SRGRID_FUZZ", "200"))
    for number in range(trials):
        file = tmp_path / f"d{number}.csv"
        file.write_bytes(damaged(whole, random))
        try:
            for known in digests.read_digests(file).values():
                assert (len(known.sha256), known.thumbprint.shape) == (64, (64,))
        except SrgridError as error:
            str(error).encode()
            refused += 1
    assert trials // 4 < refused < trials


def test_29_a_digest_file_saved_by_a_spreadsheet(tmp_path: Path, tiny: dict[str, Any]) -> None:
    text = (tmp_path / "Tiny.csv").read_text()
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert list(digests.read_digests(tmp_path / "d.csv")) == list(PIXELS)


def test_29_every_built_in_digest_file_passes() -> None:
    for name in registry.names():
        registry.check_names(registry.get(name), registry.load_registry())


# 29, 2. Tables in the cache


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def overwritten(file: Path) -> None:
    file.write_bytes(Random("arrow").randbytes(file.stat().st_size))


def a_name_changed(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content.replace(b"a.png", b"z.png").replace(b"abc", b"abz"))


@pytest.mark.parametrize("damage", [cut_short, emptied, overwritten, a_name_changed])
def test_29_a_damaged_table_in_the_cache_is_made_again(
    tmp_path: Path, tiny: dict[str, Any], damage: Callable[[Path], None]
) -> None:
    load("Tiny", 2, mirror=tmp_path / "m", extra=tiny)
    (file,) = (tmp_path / "cache/tables").glob("*.arrow")
    damage(file)
    table = load("Tiny", 2, mirror=tmp_path / "m", extra=tiny)
    assert table["name"][:] == list(PIXELS)
    assert all((np.asarray(row["hr"]) == PIXELS[row["name"]]).all() for row in table)


def test_02_a_table_made_by_other_code_is_made_again(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load("Tiny", 2, mirror=tmp_path / "m", extra=tiny)
    (first,) = (tmp_path / "cache/tables").glob("*.arrow")
    monkeypatch.setattr(hub, "code_identity", lambda module: {"source": "of tomorrow"})
    load("Tiny", 2, mirror=tmp_path / "m", extra=tiny)
    assert {first} < set((tmp_path / "cache/tables").glob("*.arrow"))


@pytest.mark.parametrize("name", ["Tiny", "Twin"])
def test_21_images_that_changed_in_the_cache_make_no_table(tmp_path: Path, tiny: dict[str, Any], name: str) -> None:
    """Twin's LR images are made from another set's HR images than its own."""
    extra = {**tiny, "Twin": {**tiny["Tiny"], "aliases": ["Tiny"], "lr": {"of": "Tiny", "times": 2}}}
    load(name, 2, mirror=tmp_path / "m", extra=extra)
    (table,) = (tmp_path / "cache/tables").glob("*.arrow")
    table.unlink()
    images.write(tmp_path / f"cache/HR/{name}/a.png", PIXELS["b"])
    with pytest.raises(SrgridError, match=r"a\.png: other pixels than when the folder was made"):
        load(name, 2, mirror=tmp_path / "m", extra=extra)


def test_29_a_cache_that_cannot_be_is_named(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("SRGRID_CACHE", str(tmp_path / "file/cache"))
    for step in (
        lambda: load("Tiny", 2, mirror=tmp_path / "m", extra=tiny),
        lambda: fetch("Set5", tmp_path / "out"),
    ):
        with pytest.raises(SrgridError, match=r"file/cache: Not a directory.*SRGRID_CACHE names another"):
            step()


def test_29_a_cache_without_locks_is_used_with_a_warning(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert load("Tiny", 2, mirror=tmp_path / "m", extra=tiny)["name"][:] == list(PIXELS)
    assert "has no locks" in capfd.readouterr().err
