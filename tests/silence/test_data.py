"""Data sets: what changed is noticed, what is damaged is refused, what is wrong is named."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srgrid import images
from srgrid.code import code_identity
from srgrid.data import digests, fetch
from srgrid.data.fingerprint import fingerprint
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


@pytest.mark.parametrize("change", [replaced, touched, added, taken_away, renamed, set_gone, digests_edited])
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
