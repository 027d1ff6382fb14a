"""Super-resolving files and folders of real photographs."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import build, load
from srgrid.resize import imresize
from srgrid.upscale import Options, upscale_dir, upscale_path


@pytest.fixture
def lr(tmp_path):
    """A folder of four LR photographs: two of one size, one grey, one alone."""
    folder = tmp_path / "LR"
    images.write(folder / "a.png", data.astronaut()[:40, :52])
    images.write(folder / "b.png", data.chelsea()[:40, :52])
    images.write(folder / "c.png", data.camera()[:40, :52])
    images.write(folder / "d.png", data.coffee()[:33, :47])
    return folder


@pytest.fixture
def weights_file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    build("rcan-bam-xs", 2).save(path)
    return str(path)


def test_a_folder_becomes_a_folder_with_a_manifest(lr, weights_file, tmp_path):
    out = tmp_path / "SR"
    upscale_dir(lr, out, weights_file, 2)
    model = load(weights_file, scale=2)
    for file in images.list_images(lr):
        image = images.read(file)
        np.testing.assert_array_equal(images.read(out / file.name), model.upscale(image))
    assert images.read(out / "c.png").shape == (80, 104)
    manifest = read_manifest(out)
    assert manifest["files"]["d.png"]["width"] == 94
    assert manifest["made_by"]["inputs"]["a.png"] == images.pixel_digest(images.read(lr / "a.png"))
    assert manifest["made_by"]["precision"] in ("fp32", "bf16")
    assert len(manifest["made_by"]["weights_sha256"]) == 64


def test_the_same_input_gives_the_same_bytes(lr, weights_file, tmp_path):
    for name in ("one", "two"):
        upscale_dir(lr, tmp_path / name, weights_file, 2)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_float_output_is_not_rounded(lr, weights_file, tmp_path):
    upscale_dir(lr, tmp_path / "8", weights_file, 2, options=Options(precision="fp32"))
    upscale_dir(lr, tmp_path / "f", weights_file, 2, options=Options(kind="float", precision="fp32", batch=4))
    for stem in "abcd":
        exact = np.load(tmp_path / "f" / f"{stem}.npy")
        rounded = images.read(tmp_path / "8" / f"{stem}.png")
        assert exact.dtype == np.float32
        assert 0 < np.abs(exact - rounded).max() <= 0.5 + 1e-3
        assert 0 <= exact.min() <= exact.max() <= 255
    assert read_manifest(tmp_path / "f")["files"]["a.npy"]["height"] == 80


@pytest.mark.parametrize("degradation", ["matlab", "pillow"])
def test_bicubic_goes_through_the_same_door(lr, tmp_path, degradation):
    upscale_dir(lr, tmp_path / "SR", "bicubic", 3, degradation=degradation)
    for file in images.list_images(lr):
        image = images.read(file)
        height, width = image.shape[:2]
        pillow = np.asarray(Image.fromarray(image).resize((width * 3, height * 3), Image.Resampling.BICUBIC))
        expected = imresize(image, 3) if degradation == "matlab" else pillow
        np.testing.assert_array_equal(images.read(tmp_path / "SR" / file.name), expected)


def test_bicubic_needs_no_torch(lr, tmp_path):
    code = (
        "import sys; from pathlib import Path; from srgrid.upscale import upscale_dir;"
        f"upscale_dir(Path({str(lr)!r}), Path({str(tmp_path / 'SR')!r}), 'bicubic', 2);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_image_and_its_comparison(lr, weights_file, tmp_path):
    upscale_path(lr / "d.png", tmp_path / "d.png", weights_file, 2, compare=tmp_path / "compare.png")
    sr, both = images.read(tmp_path / "d.png"), images.read(tmp_path / "compare.png")
    assert sr.shape == (66, 94, 3)
    np.testing.assert_array_equal(both[:, :94], imresize(images.read(lr / "d.png"), 2))
    np.testing.assert_array_equal(both[:, -94:], sr)
    options = Options(kind="float", ensemble=True)
    upscale_path(lr / "c.png", tmp_path / "c.npy", weights_file, 2, options=options, compare=tmp_path / "c_compare.png")
    assert np.load(tmp_path / "c.npy").shape == (80, 104)
    assert images.read(tmp_path / "c_compare.png").shape == (80, 2 * 104 + 8)


def test_tiles_do_not_change_the_files_by_more_than_one_level(lr, weights_file, tmp_path):
    upscale_dir(lr, tmp_path / "whole", weights_file, 2)
    upscale_dir(lr, tmp_path / "tiles", weights_file, 2, options=Options(tile=32))
    for file in images.list_images(tmp_path / "whole"):
        a, b = images.read(file).astype(int), images.read(tmp_path / "tiles" / file.name).astype(int)
        assert np.abs(a - b).max() <= 1


def test_a_failure_leaves_the_old_folder(lr, weights_file, tmp_path):
    out = tmp_path / "SR"
    upscale_dir(lr, out, "bicubic", 2)
    before = json.dumps(read_manifest(out))
    (lr / "e.png").write_bytes((lr / "a.png").read_bytes()[:100])
    with pytest.raises(SrgridError, match=r"e\.png"):
        upscale_dir(lr, out, weights_file, 2)
    assert json.dumps(read_manifest(out)) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["LR", "SR", "w.safetensors"]


def test_bad_input_is_named(lr, weights_file, tmp_path):
    with pytest.raises(SrgridError, match="scale 2, not 4"):
        upscale_dir(lr, tmp_path / "SR", weights_file, 4)
    with pytest.raises(SrgridError, match="kind '16bit'"):
        Options(kind="16bit")
    with pytest.raises(SrgridError, match="nowhere: there is no such image file or folder"):
        upscale_path(tmp_path / "nowhere", tmp_path / "SR", "bicubic", 2)
    with pytest.raises(SrgridError, match="one image, not of a folder"):
        upscale_path(lr, tmp_path / "SR", "bicubic", 2, compare=tmp_path / "x.png")
    with pytest.raises(SrgridError, match=r"jpg loses detail; give --quality .* \.png"):
        upscale_path(lr / "a.png", tmp_path / "a.jpg", "bicubic", 2)
    with pytest.raises(SrgridError, match=r"png is lossless and has no quality"):
        upscale_path(lr / "a.png", tmp_path / "a2.png", "bicubic", 2, options=Options(quality=90))
    with pytest.raises(SrgridError, match=r"\.gif is not written; choose one of \.png"):
        upscale_path(lr / "a.png", tmp_path / "a.gif", "bicubic", 2)
    with pytest.raises(SrgridError, match="leave format and quality out"):
        Options(kind="float", format="webp")
    with pytest.raises(SrgridError, match="device 'warp'"):
        upscale_path(lr / "a.png", tmp_path / "a.png", weights_file, 2, options=Options(device="warp"))
    with pytest.raises(SrgridError, match="no such image file"):
        upscale_path(lr / "z.png", tmp_path / "a.png", "bicubic", 2)
