"""The registry: every entry is whole, its schema is closed, and users' own sets are held to the same form."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import yaml

from srgrid import data, images
from srgrid.data import digests, registry
from srgrid.errors import SrgridError

WITH_DIGESTS = [name for name in registry.names() if registry.get(name).digest_file]


def test_the_sets_of_the_card_and_the_demo_are_known() -> None:
    assert set(data.names()) >= {
        *("sample", "sample-train", "Set5", "Set14", "BSD100", "Urban100", "Urban100-half"),
        *("DIV2K", "DIV2K-valid", "Manga109", "BSDS400", "SunHays80", "BSDS400+SunHays80"),
    }


@pytest.mark.parametrize("name", registry.names())
def test_every_set_says_what_it_is(name: str) -> None:
    entry = data.get(name)
    assert entry.licence
    assert bool(entry.sources) + bool(entry.parent) + bool(entry.parts) == 1
    if not entry.parts:
        assert entry.citation is not None
        assert entry.citation.bibtex.startswith("@")


@pytest.mark.parametrize("name", WITH_DIGESTS)
def test_digests_cover_every_image_in_order(name: str) -> None:
    entry = data.get(name)
    assert len(entry.known) == entry.images
    assert tuple(entry.known) == entry.image_names
    for known in entry.known.values():
        assert len(known.sha256) == 64
        assert known.thumbprint.shape == (digests.GRID**2,)
        assert all(w <= known.width and h <= known.height for w, h in known.crops)


def test_no_image_is_in_two_test_sets_and_none_is_trained_on() -> None:
    owners: dict[str, str] = {}
    for name in WITH_DIGESTS:
        for known in data.get(name).known.values():
            assert owners.setdefault(known.sha256, name) == name


def test_names_are_the_fields_own() -> None:
    assert data.get("Set5").image_names == ("baby", "bird", "butterfly", "head", "woman")
    assert data.get("BSD100").image_names[0] == "img_001"
    assert data.get("BSD100").known["img_001"].original == "101085"
    assert data.get("DIV2K").image_names[0] == "0001"
    assert data.get("DIV2K-valid").image_names[-1] == "0900"


def test_half_size_urban_is_declared_not_coded() -> None:
    half = data.get("Urban100-half")
    assert (half.parent, half.lr_of, half.lr_times, half.scales) == ("Urban100", "Urban100", 2, (2,))
    assert [(step, str(value)) for step, value in half.steps] == [("imresize", "1/2")]


@pytest.mark.mirror
def test_digests_are_those_of_the_real_images(mirror: Path) -> None:
    for name in ("Set5", "Set14"):
        entry = data.get(name)
        for file, known in zip(images.list_images(mirror / name / "HR"), entry.known.values(), strict=True):
            image = images.read(file)
            assert images.pixel_digest(image) == known.sha256
            for (width, height), sha256 in known.crops.items():
                assert images.pixel_digest(image[:height, :width]) == sha256


def test_digest_files_survive_a_round_trip(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    photo = photographs["chelsea"]
    digests.write_digests(tmp_path / "d.csv", digests.digest_rows("cat", "IMG_7", photo))
    known = digests.read_digests(tmp_path / "d.csv")["cat"]
    assert (known.width, known.height, known.channels, known.original) == (451, 300, 3, "IMG_7")
    assert known.sha256 == images.pixel_digest(photo)
    assert known.crops[(444, 300)] == images.pixel_digest(photo[:300, :444])  # to multiples of 12
    assert (known.thumbprint == digests.thumbprint(photo)).all()


def make_digests() -> ModuleType:
    file = Path(__file__).resolve().parents[2] / "tools" / "make_digests.py"
    spec = importlib.util.spec_from_file_location("make_digests", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_maintainers_script_makes_the_committed_digests(tmp_path: Path) -> None:
    entry = data.get("sample")
    digests.write_digests(tmp_path / "sample.csv", make_digests().rows(entry, tmp_path))
    assert entry.digest_file is not None
    assert (tmp_path / "sample.csv").read_bytes() == entry.digest_file.read_bytes()


@pytest.mark.mirror
def test_the_maintainers_script_makes_the_variants_digests(mirror: Path, tmp_path: Path) -> None:
    module = make_digests()
    some = SimpleNamespace(read=images.read, list_images=lambda folder: images.list_images(folder)[:3])
    module.images = some  # the first three images will do
    first = dataclasses.replace(data.get("Urban100-half"), images=3, declared=("img_001", "img_002", "img_003"))
    known = data.get("Urban100-half").known
    rows = module.rows(first, mirror)
    assert {row["image"]: row["sha256"] for row in rows if row["original"]} == {
        name: known[name].sha256 for name in first.declared
    }


def test_where_a_set_comes_from_is_said_in_a_few_words() -> None:
    assert data.get("sample").origin == "package skimage"
    assert data.get("Urban100-half").origin == "Urban100: imresize 1/2"
    assert data.get("BSDS400+SunHays80").origin == "BSDS400 + SunHays80"
    assert data.get("DIV2K").origin == "ETH Zurich, Hugging Face"


def test_a_damaged_digest_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("image,width\ncat,x\n")
    with pytest.raises(SrgridError, match=r"d\.csv"):
        digests.read_digests(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("X: {images: 3, use: test, imagez: 4}", r"define_datasets:\s+X\.imagez: unknown key; did you mean images"),
        ("X: {use: test}", "'images' is a required property"),
        ("X: {images: 0, use: test}", r"X\.images"),
        ("X: {images: 2, use: test, names: [a]}", "1 names are listed"),
        ("X: {images: 1, use: test, from: Nope, hr: [{imresize: 1/2}]}", "there is no data set 'Nope'"),
        ("X: {images: 1, use: test, from: Set5}", "dependency"),
        ("X: {images: 1, use: test, from: Set5, hr: [{blur: 2}]}", "blur: unknown key"),
        ("X: {images: 1, use: test, sources: [{kind: archive, host: h, url: 'ftp://x'}]}", "url"),
        ("X: {images: 1, use: test, sources: [{kind: archive, host: h}]}", "'url' is a required property"),
        ("X: {images: 1, use: test, parts: [Set5], sources: [{kind: mirror}]}", "not several"),
        ("X: {images: 1, use: test, parts: [X]}", "made from itself"),
        ("'../x': {images: 1, use: test}", r"\.\./x"),
    ],
)
def test_a_users_entry_that_is_wrong_is_named(entry: str, message: str) -> None:
    with pytest.raises(SrgridError, match=message):
        data.load_registry(yaml.safe_load(entry))


def test_a_users_set_stands_beside_the_built_in_ones() -> None:
    extra = {"Mine": {"images": 2, "use": "test", "names": {"format": "p{:02d}", "first": 9}}}
    assert data.get("Mine", extra).image_names == ("p09", "p10")
    assert data.names(extra) == [*data.names(), "Mine"]
    assert "Mine" not in data.names()


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(SrgridError, match="did you mean Urban100"):
        data.get("Urban10")


def test_a_folder_of_the_mirror_is_a_set(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    images.write(tmp_path / "Holiday" / "HR" / "beach.png", photographs["coffee"])
    entry = data.resolve("Holiday", tmp_path)
    assert (entry.images, entry.image_names, len(entry.known)) == (1, ("beach",), 0)
    for name in ("Other", "../Holiday"):
        with pytest.raises(SrgridError, match="unknown data set"):
            data.resolve(name, tmp_path)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'datasets', 'requests', 'pooch', 'pandas', 'scipy', 'skimage', 'snakemake'}"
    code = f"import sys, srgrid.data; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
