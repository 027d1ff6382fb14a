"""Photographs as people have them: file formats, transparency, colour profiles, folders with bad files."""

import re
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

import srgrid.models
from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.photographs import FORMATS, Photo, read, write
from srgrid.resize import imresize
from srgrid.settings import Options, Written
from srgrid.upscale import upscale_dir, upscale_path

RGB = data.astronaut()[40:72, 60:100]
GREY = data.camera()[40:72, 60:100]
ALPHA = np.linspace(0, 255, 40).astype(np.uint8) * np.ones((32, 1), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = [suffix for suffix, one in FORMATS.items() if one.lossless is not None]
LOSSY = [suffix for suffix, one in FORMATS.items() if one.lossy is not None]


def pixels(file, mode):
    """The samples of a file as another program reads them."""
    with Image.open(file) as image:
        return np.asarray(image.convert(mode))


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("colour", [RGB, GREY], ids=["rgb", "grey"])
def test_a_lossless_file_holds_every_sample(suffix, colour, tmp_path):
    write(tmp_path / f"a{suffix}", Photo(colour))
    np.testing.assert_array_equal(pixels(tmp_path / f"a{suffix}", "RGB" if colour.ndim == 3 else "L"), colour)
    if FORMATS[suffix].alpha:
        write(tmp_path / f"b{suffix}", Photo(colour, ALPHA))
        found = pixels(tmp_path / f"b{suffix}", "RGBA" if colour.ndim == 3 else "LA")
        np.testing.assert_array_equal(found, np.dstack([colour, ALPHA]))


@pytest.mark.parametrize("suffix", LOSSY)
def test_a_lossy_file_is_as_good_as_was_asked_for(suffix, tmp_path):
    apart = []
    for quality in (30, 95):
        write(tmp_path / f"a{suffix}", Photo(RGB), quality)
        apart.append(np.abs(pixels(tmp_path / f"a{suffix}", "RGB") - RGB.astype(float)).mean())
    assert 0 < apart[1] < apart[0] < 30


def test_the_settings_offer_what_can_be_written():
    assert {f".{name}" for name in get_args(Written)} <= FORMATS.keys()


def test_transparency_and_profile_are_kept_by_the_command_and_in_python(tmp_path, capsys):
    picture = Photo(RGB, ALPHA, SRGB).to_pil()
    picture.save(tmp_path / "photo.png")
    upscale_path(tmp_path / "photo.png", tmp_path / "big.png", "rcan-bam-s", 2)
    assert "transparency is enlarged apart, by bicubic" in capsys.readouterr().err
    model = srgrid.models.load("rcan-bam-s", scale=2)
    with Image.open(tmp_path / "big.png") as written:
        assert written.info["icc_profile"] == SRGB
        np.testing.assert_array_equal(np.asarray(written), np.dstack([model.upscale(RGB), imresize(ALPHA, 2)]))
        direct = model.upscale(picture)
        assert (direct.mode, direct.info["icc_profile"]) == ("RGBA", SRGB)
        np.testing.assert_array_equal(np.asarray(direct), np.asarray(written))


@pytest.mark.parametrize("suffix", [".tif", ".webp"])
def test_other_formats_keep_them_too(suffix, tmp_path):
    Photo(RGB, ALPHA, SRGB).to_pil().save(tmp_path / "photo.png")
    upscale_path(tmp_path / "photo.png", tmp_path / f"big{suffix}", "bicubic", 2)
    with Image.open(tmp_path / f"big{suffix}") as written:
        assert written.info["icc_profile"] == SRGB
        np.testing.assert_array_equal(np.asarray(written), np.dstack([imresize(RGB, 2), imresize(ALPHA, 2)]))


def test_a_profile_of_another_colour_space_is_left_out(tmp_path):
    palette = Image.fromarray(GREY // 32 * 32).convert("P")
    palette.save(tmp_path / "grey.png", icc_profile=SRGB)
    assert read(tmp_path / "grey.png").colour.ndim == 2
    assert read(tmp_path / "grey.png").icc is None


def test_transparency_that_a_format_cannot_hold_is_refused_before_work(tmp_path):
    Photo(RGB, ALPHA).to_pil().save(tmp_path / "LR.png")
    for name, options in (("a.jpg", Options(quality=90)), ("a.bmp", Options()), ("a.npy", Options(kind="float"))):
        with pytest.raises(SrgridError, match=r"LR\.png: has transparent pixels, which"):
            upscale_path(tmp_path / "LR.png", tmp_path / name, "bicubic", 2, options=options)
    assert [file.name for file in tmp_path.iterdir()] == ["LR.png"]


def test_a_folder_in_another_format_has_a_manifest_of_what_it_holds(tmp_path, capsys):
    images.write(tmp_path / "LR/a.png", RGB)
    Photo(RGB, ALPHA).to_pil().save(tmp_path / "LR/b.png")
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, options=Options(format="webp"))
    manifest = read_manifest(tmp_path / "SR")
    assert {name: entry["channels"] for name, entry in manifest["files"].items()} == {"a.webp": 3, "b.webp": 4}
    assert manifest["made_by"]["alpha"] == "bicubic"
    assert "b.png" in capsys.readouterr().err
    assert manifest["files"]["b.webp"]["sha256"] == images.pixel_digest(read(tmp_path / "SR/b.webp").samples)
    (tmp_path / "LR/b.png").unlink()
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, options=Options(format="jpg", quality=80))
    held = read(tmp_path / "SR/a.jpg").samples
    assert read_manifest(tmp_path / "SR")["files"]["a.jpg"]["sha256"] == images.pixel_digest(held)


def test_bad_images_are_left_out_where_that_is_asked_for(tmp_path, capsys):
    images.write(tmp_path / "LR/a.png", RGB)
    (tmp_path / "LR/torn.png").write_bytes((tmp_path / "LR/a.png").read_bytes()[:200])
    Image.fromarray(RGB).save(tmp_path / "LR/moving.gif")
    for options in (Options(), Options(skip_bad=True)):
        if not options.skip_bad:
            with pytest.raises(SrgridError, match=r"moving\.gif"):
                upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, options=options)
            continue
        upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, options=options)
    manifest, said = read_manifest(tmp_path / "SR"), capsys.readouterr().err
    assert set(manifest["files"]) == {"a.png"}
    assert set(manifest["made_by"]["left_out"]) == {"torn.png", "moving.gif"}
    assert {f"{tmp_path}/LR/{name}" for name in ("torn.png", "moving.gif")} <= set(
        re.findall(r"left out: (\S+?):? ", said)
    )
    (tmp_path / "LR/a.png").unlink()
    with pytest.raises(SrgridError, match="none of its 2 images can be used"):
        upscale_dir(tmp_path / "LR", tmp_path / "no", "bicubic", 2, options=Options(skip_bad=True))
