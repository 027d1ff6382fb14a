"""Recognition by pixels: any packaging of the right image, and nothing but the right image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgrid import images
from srgrid.data import get, verify_dir
from srgrid.data.recognise import Catalogue
from srgrid.data.verify import lines, require, write_report
from srgrid.errors import SrgridError


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue([get("sample"), get("sample-train")])


def test_an_image_is_itself(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    for name, photo in photographs.items():
        match = catalogue.match(photo)
        assert (match.how, match.dataset, match.image) == ("exact", "sample", name)
        assert match.pixels is not None
        assert (match.pixels == photo).all()


def test_one_changed_sample_is_noticed_and_named(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    for name, photo in photographs.items():
        changed = photo.copy()
        changed.flat[len(changed.flat) // 2] ^= 1
        match = catalogue.match(changed)
        assert (match.how, match.image, match.pixels) == ("changed", name, None)


@pytest.mark.parametrize("step", [2, 3, 4, 8, 12])
def test_the_usual_crops_are_recognised(catalogue: Catalogue, photographs: dict[str, np.ndarray], step: int) -> None:
    chelsea = photographs["chelsea"]  # 451 x 300
    height, width = 300 - 300 % step, 451 - 451 % step
    match = catalogue.match(chelsea[:height, :width])
    assert (match.how, match.image, match.pixels) == ("cropped", "chelsea", None)
    assert f"{width}x{height} from 451x300" in match.detail


def test_other_crops_are_not_exact(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    assert catalogue.match(photographs["chelsea"][1:, :]).how == "changed"
    assert catalogue.match(photographs["chelsea"][:, ::-1]).how == "unknown"


def test_a_copy_with_a_margin_holds_the_image(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    coffee = photographs["coffee"]
    match = catalogue.match(np.pad(coffee, ((0, 3), (0, 1), (0, 0)), mode="edge"))
    assert (match.how, match.image) == ("larger", "coffee")
    assert match.pixels is not None
    assert (match.pixels == coffee).all()
    assert catalogue.match(np.pad(coffee, ((3, 0), (1, 0), (0, 0)), mode="edge")).pixels is None


def test_grey_stored_as_rgb_is_the_grey_image(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    camera = photographs["camera"]
    match = catalogue.match(np.dstack([camera] * 3))
    assert (match.how, match.image) == ("exact", "camera")
    assert match.pixels is not None
    assert match.pixels.shape == camera.shape


def test_lr_images_are_resized_ones(catalogue: Catalogue, photographs: dict[str, np.ndarray]) -> None:
    small = np.asarray(Image.fromarray(photographs["astronaut"]).resize((128, 128), Image.Resampling.BICUBIC))
    match = catalogue.match(small)
    assert (match.how, match.image) == ("resized", "astronaut")


def test_tiny_and_strange_images_are_unknown(catalogue: Catalogue) -> None:
    for shape in ((1, 1), (7, 300, 3), (64, 64, 3)):
        assert catalogue.match(np.zeros(shape, np.uint8)).how == "unknown"
    assert Catalogue([]).match(np.zeros((64, 64), np.uint8)).how == "unknown"


def test_a_folder_in_any_packaging(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    astronaut, camera, chelsea, coffee = (photographs[n] for n in ("astronaut", "camera", "chelsea", "coffee"))
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(astronaut).save(tmp_path / "a" / "b" / "0001.bmp")
    Image.fromarray(coffee).save(tmp_path / "a" / "K.tiff")
    Image.fromarray(chelsea).save(tmp_path / "chelsea.webp", lossless=True)
    Image.fromarray(camera).save(tmp_path / "camera.jpg", quality=95)
    images.write(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8))
    torn = tmp_path / "torn.png"
    images.write(torn, chelsea)
    torn.write_bytes(torn.read_bytes()[:9000])
    (tmp_path / "notes.txt").write_text("not an image")
    found = verify_dir(tmp_path)
    seen = {row.file: (row.status, row.dataset, row.image) for row in found.rows}
    assert seen == {
        "a/K.tiff": ("exact", "sample", "coffee"),
        "a/b/0001.bmp": ("exact", "sample", "astronaut"),
        "camera.jpg": ("changed", "sample", "camera"),
        "chelsea.webp": ("exact", "sample", "chelsea"),
        "noise.png": ("unknown", "", ""),
        "torn.png": ("unreadable", "", ""),
    }
    assert found.missing == {"sample": ("camera",)}
    assert found.counts == {"exact": 3, "changed": 1, "unknown": 1, "unreadable": 1}
    text = "\n".join(lines(found))
    assert "sample: lacks 1: camera" in text
    with pytest.raises(SrgridError, match=r"torn\.png: unreadable"):
        require(found)
    with pytest.raises(SrgridError, match="camera: missing"):
        require(verify_dir(tmp_path, "sample"))


def test_swapped_files_are_misnamed(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    images.write(tmp_path / "coffee.png", photographs["chelsea"])
    (row,) = verify_dir(tmp_path).rows
    assert (row.status, row.image, row.detail) == ("misnamed", "chelsea", "named as coffee")


def test_a_whole_set_satisfies(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    for name, photo in photographs.items():
        images.write(tmp_path / f"{name}.png", photo)
    found = verify_dir(tmp_path, "sample")
    require(found)
    write_report(found, tmp_path / "report.json")
    first = (tmp_path / "report.json").read_bytes()
    write_report(verify_dir(tmp_path, "sample"), tmp_path / "report.json")
    assert (tmp_path / "report.json").read_bytes() == first
    assert b'"exact": 4' in first


def test_what_cannot_be_verified_is_said(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    with pytest.raises(SrgridError, match="there is no such folder"):
        verify_dir(tmp_path / "none")
    with pytest.raises(SrgridError, match="holds no images"):
        verify_dir(tmp_path)
    images.write(tmp_path / "x.png", photographs["coffee"])
    with pytest.raises(SrgridError, match="Manga109: no digests are known"):
        verify_dir(tmp_path, "Manga109")
    with pytest.raises(SrgridError, match="unknown data set"):
        verify_dir(tmp_path, "Nope")


@pytest.mark.mirror
@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100", "Urban100"])
def test_the_real_sets_are_whole(mirror: Path, name: str) -> None:
    found = verify_dir(mirror / name / "HR", threads=2)
    assert found.counts == {"exact": get(name).images}
    assert {row.dataset for row in found.rows} == {name}
    assert found.missing == {name: ()}
    require(found)


@pytest.mark.mirror
def test_official_lr_and_sr_files_are_not_taken_for_hr(mirror: Path) -> None:
    for folder, status in (("LR_matlab", "resized"), ("SR_rcan_official", "changed")):
        for row in verify_dir(mirror / "Set5" / folder).rows:
            assert (row.status, f"Set5/{row.image}") == (status, f"Set5/{Path(row.file).stem}")
