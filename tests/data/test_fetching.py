"""Fetching from packages and mirrors: the right pixels in any packaging, and a clear stop otherwise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srgrid import images
from srgrid.code import code_identity
from srgrid.data import fetch, get, verify_dir
from srgrid.data.fingerprint import fingerprint
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.resize import imresize


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {file.stem: images.read(file) for file in images.list_images(folder)}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SRGRID_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SRGRID_CACHE", str(tmp_path / "cache"))


def test_the_embedded_sample(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    fetch("sample", tmp_path / "out")
    got = pixels(tmp_path / "out")
    assert sorted(got) == sorted(photographs)
    assert all((got[name] == photographs[name]).all() for name in got)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["made_by"] == {
        "step": "fetch",
        "dataset": "sample",
        "origins": {"sample": "package skimage"},
        "fingerprint": fingerprint("sample", None, None),
        "verified": True,
        "code": code_identity("srgrid.data.fetch"),
    }
    assert manifest["files"]["camera.png"] == images.describe(photographs["camera"])


def test_the_training_sample_is_fetched_the_same_each_time(tmp_path: Path) -> None:
    for out in ("one", "two"):
        fetch("sample-train", tmp_path / out, threads=3)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert len(images.list_images(tmp_path / "one")) == get("sample-train").images


def test_a_mirror_by_argument_or_environment(tmp_path: Path, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.mirror(tmp_path / "m")
    fetch("Photos", tmp_path / "one", tmp_path / "m", extra=bench.extra)
    monkeypatch.setenv("SRGRID_MIRROR", str(tmp_path / "m"))
    fetch("Photos", tmp_path / "two", extra=bench.extra)
    got = pixels(tmp_path / "two")
    assert all((got[name] == image).all() for name, image in bench.originals.items())
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()


@pytest.mark.parametrize("layout", ["Photos/HR", "Photos", "Photos/test/original"])
def test_other_names_formats_and_layouts(tmp_path: Path, bench: Any, layout: str) -> None:
    folder = tmp_path / "m" / layout
    folder.mkdir(parents=True)
    for number, image in enumerate(bench.originals.values()):
        pad = ((0, number), (0, 0), (0, 0))[: image.ndim]
        suffix = ("bmp", "tif", "png", "ppm")[number]
        packed = np.dstack([image] * 3) if image.ndim == 2 else image
        Image.fromarray(np.pad(packed, pad if packed.ndim == 2 else ((0, number), (0, 0), (0, 0)))).save(
            folder / f"IMG_{9 - number}.{suffix}"
        )
    fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    got = pixels(tmp_path / "out")
    assert list(got) == sorted(bench.originals)
    assert all(got[name].shape == image.shape and (got[name] == image).all() for name, image in bench.originals.items())


def test_files_of_other_kinds_beside_them_do_not_disturb_a_loose_layout(tmp_path: Path, bench: Any) -> None:
    folder = bench.mirror(tmp_path / "m")
    folder.rename(tmp_path / "m/Photos/GT")
    for name, image in bench.originals.items():
        images.write(tmp_path / "m/Photos/LR_x2" / f"{name}.png", imresize(image, 0.5))
    (tmp_path / "m/Photos/LR_x2/torn.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    assert list(pixels(tmp_path / "out")) == sorted(bench.originals)


def flip_a_bit(folder: Path) -> str:
    image = images.read(folder / "coffee.png").copy()
    image[-1, -1, 2] ^= 1
    images.write(folder / "coffee.png", image)
    return r"coffee\.png: coffee: the same picture with other pixels"


def swap_two(folder: Path) -> str:
    (folder / "coffee.png").rename(folder / "x")
    (folder / "chelsea.png").rename(folder / "coffee.png")
    (folder / "x").rename(folder / "chelsea.png")
    return (
        r"chelsea\.png: swapped: these are the pixels of coffee\n  coffee\.png: swapped: these are the pixels of chels"
    )


def swap_original_names(folder: Path) -> str:
    (folder / "coffee.png").rename(folder / "orig_chelsea.png")
    (folder / "chelsea.png").rename(folder / "orig_coffee.png")
    return r"orig_chelsea\.png: swapped: these are the pixels of coffee"


def recompress(folder: Path) -> str:
    Image.open(folder / "astronaut.png").save(folder / "astronaut.jpg", quality=100, subsampling=0)
    (folder / "astronaut.png").unlink()
    return r"astronaut\.jpg: astronaut: the same picture with other pixels: re-compressed"


def truncate(folder: Path) -> str:
    content = (folder / "camera.png").read_bytes()
    (folder / "camera.png").write_bytes(content[: len(content) // 2])
    return r"camera\.png: unreadable or truncated"


def crop(folder: Path) -> str:
    images.write(folder / "camera.png", images.read(folder / "camera.png")[:144, :168])
    return r"camera\.png: camera cropped to 168x144 from 177x151; other crops give other scores"


def lose(folder: Path) -> str:
    (folder / "camera.png").unlink()
    return "camera: missing"


def add_another(folder: Path) -> str:
    images.write(folder / "zoo.png", np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    return r"zoo\.png: not an image of this set"


def sixteen_bits(folder: Path) -> str:
    Image.fromarray(images.read(folder / "camera.png").astype(np.uint16) * 257).save(folder / "camera.png")
    return r"camera\.png: more than 8 bits"


FAULTS = [
    *(flip_a_bit, swap_two, swap_original_names, recompress, truncate, crop, lose, add_another, sixteen_bits),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_mirror_is_named_and_nothing_is_written(tmp_path: Path, bench: Any, fault: Any) -> None:
    message = fault(bench.mirror(tmp_path / "m"))
    with pytest.raises(SrgridError, match=message):
        fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_all_faults_are_listed_at_once_and_an_earlier_result_stays(tmp_path: Path, bench: Any) -> None:
    folder = bench.mirror(tmp_path / "m")
    fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    before = (tmp_path / "out/manifest.json").read_bytes()
    messages = [flip_a_bit(folder), truncate(folder), recompress(folder)]
    with pytest.raises(SrgridError) as caught:
        fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    for message in messages:
        assert caught.match(message)
    assert (tmp_path / "out/manifest.json").read_bytes() == before
    assert verify_dir(tmp_path / "out", "Photos", extra=bench.extra).counts == {"exact": 4}


def test_variants_and_composed_sets_follow_from_their_parents(tmp_path: Path, bench: Any) -> None:
    bench.mirror(tmp_path / "m")
    fetch("Photos-both", tmp_path / "out", tmp_path / "m", extra=bench.extra)
    got = pixels(tmp_path / "out")
    assert len(got) == 8
    for name, image in bench.originals.items():
        assert (got[f"Photos_{name}"] == image).all()
        assert (got[f"Photos-half_{name}"] == imresize(image[:148, :176], 0.5)).all()


def test_a_variant_is_held_to_its_own_digests(tmp_path: Path, bench: Any) -> None:
    bench.mirror(tmp_path / "m")
    wrong = {**bench.extra["Photos-half"], "digests": bench.extra["Photos"]["digests"]}
    with pytest.raises(SrgridError, match="Photos-half: astronaut was not made as the registry says"):
        fetch("Photos-half", tmp_path / "out", tmp_path / "m", extra={**bench.extra, "Photos-half": wrong})
    assert not (tmp_path / "out").exists()


def test_a_set_that_only_the_mirror_knows(tmp_path: Path, photo_dir: Path) -> None:
    photo_dir.rename(tmp_path / "m_HR")
    (tmp_path / "m/Holiday").mkdir(parents=True)
    (tmp_path / "m_HR").rename(tmp_path / "m/Holiday/HR")
    fetch("Holiday", tmp_path / "out", tmp_path / "m")
    assert sorted(pixels(tmp_path / "out")) == ["astronaut", "camera", "chelsea", "coffee"]
    assert read_manifest(tmp_path / "out")["made_by"]["verified"] is False
    assert verify_dir(tmp_path / "out", "Holiday").counts == {"exact": 4}
    truncate(tmp_path / "out")
    assert verify_dir(tmp_path / "out", "Holiday").counts == {"exact": 3, "unreadable": 1}
    truncate(tmp_path / "m/Holiday/HR")
    with pytest.raises(SrgridError, match=r"Holiday: .* does not hold.*\n  camera\.png: unreadable"):
        fetch("Holiday", tmp_path / "again", tmp_path / "m")
    assert not (tmp_path / "again").exists()


def test_without_digests_the_number_and_names_of_images_must_be_right(tmp_path: Path, photo_dir: Path) -> None:
    mine = {"HR": {"images": 5, "use": "test", "names": ["astronaut", "camera", "chelsea", "coffee", "dog"]}}
    (tmp_path / "HR/HR").mkdir()
    for file in images.list_images(photo_dir):
        file.rename(tmp_path / "HR/HR" / file.name)
    with pytest.raises(SrgridError, match="holds 4 images, not 5; missing by name: dog"):
        fetch("HR", tmp_path / "out", tmp_path, extra=mine)
    mine["HR"] |= {"images": 4, "names": {"format": "p{:02d}", "first": 1}}
    fetch("HR", tmp_path / "out", tmp_path, extra=mine)
    assert sorted(pixels(tmp_path / "out")) == ["p01", "p02", "p03", "p04"]


def test_what_to_put_where_is_said_without_network_or_mirror(tmp_path: Path) -> None:
    with pytest.raises(SrgridError) as caught:
        fetch("Set5", tmp_path / "out")
    assert caught.match("HF_HUB_OFFLINE is set")
    assert caught.match("Put its 5 HR images into MIRROR/Set5/HR/ and give MIRROR with --mirror or SRGRID_MIRROR")
    assert caught.match("they are at https://huggingface.co/datasets/eugenesiow/Set5/resolve/main/data/Set5_HR.tar.gz")
    with pytest.raises(SrgridError, match=f"Put its 109 HR images into {tmp_path}/Manga109/HR/\n.*hal-utokyo/Manga109"):
        fetch("Manga109", tmp_path / "out", tmp_path)


def test_wrong_folders_are_named(tmp_path: Path, bench: Any) -> None:
    with pytest.raises(SrgridError, match="there is no such folder; give one laid out NAME/HR"):
        fetch("Set5", tmp_path / "out", tmp_path / "nowhere")
    with pytest.raises(SrgridError, match="unknown data set"):
        fetch("Set6", tmp_path / "out")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(SrgridError, match="not made by srgrid"):
        fetch("sample", precious)
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = {"kind": "package", "package": "no_such_package", "folder": "x", "files": ["a.png"]}
    gone = {"P": {"images": 1, "use": "test", "sources": [source]}}
    with pytest.raises(SrgridError, match="the Python package no_such_package is not installed"):
        fetch("P", tmp_path / "out", extra=gone)
    gone["P"]["sources"] = [{**source, "package": "skimage"}]
    with pytest.raises(SrgridError, match=r"skimage ships no a\.png"):
        fetch("P", tmp_path / "out", extra=gone)


@pytest.mark.mirror
def test_the_real_sets(mirror: Path, tmp_path: Path) -> None:
    for name in ("Set5", "Set14"):
        fetch(name, tmp_path / name, mirror)
        noted = json.loads((tmp_path / name / "manifest.json").read_text())["files"]
        assert {Path(file).stem: entry["sha256"] for file, entry in noted.items()} == {
            known.image: known.sha256 for known in get(name).known.values()
        }
