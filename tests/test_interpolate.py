"""Interpolators against formulas from their definitions and values of the programs themselves, and as methods."""

import math

import numpy as np
import pytest
from skimage import data

from srgrid import images
from srgrid.degrade import define
from srgrid.files import read_manifest
from srgrid.interpolate import ENLARGERS, INTERPOLATORS, LUMA_ENLARGER
from srgrid.resize import imresize
from srgrid.upscale import Options, upscale_dir, upscale_path


def sinc(x):
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


def cubic(a):
    def kernel(x):
        x = abs(x)
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    return kernel


KERNELS = {
    "bilinear": (1, lambda x: max(0.0, 1 - abs(x))),
    "bicubic-pillow": (2, cubic(-0.5)),
    "lanczos": (3, lambda x: sinc(x) * sinc(x / 3) if abs(x) < 3 else 0.0),
}


def matrix(side, scale, support, kernel):
    """The weights of each old pixel in each new one; those outside the image are left out and the rest sum to 1."""
    weights = np.zeros((side * scale, side))
    for new in range(side * scale):
        place = (new + 0.5) / scale - 0.5
        for old in range(side):
            if abs(old - place) < support:
                weights[new, old] = kernel(old - place)
    return weights / weights.sum(axis=1, keepdims=True)


def rounded(values):
    return np.clip(np.floor(values + 0.5), 0, 255)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", KERNELS)
def test_pillows_are_their_formulas_rounded_after_each_pass(name, scale):
    image = data.camera()[200:230, 200:241]
    rows, columns = (matrix(side, scale, *KERNELS[name]) for side in image.shape)
    expected = rounded(rows @ rounded(image @ columns.T))
    off = np.abs(expected - INTERPOLATORS[name].enlarge(image, scale))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_nearest_repeats_every_pixel():
    image = data.coffee()[:20, :31]
    expected = image.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(INTERPOLATORS["nearest"].enlarge(image, 3), expected)


def test_matlabs_is_imresize():
    image = data.coffee()[:20, :31]
    np.testing.assert_array_equal(INTERPOLATORS["bicubic-matlab"].enlarge(image, 3), imresize(image, 3))


# What cv2.resize(..., interpolation=cv2.INTER_CUBIC) of OpenCV 5.0.0 gives.
SMALL = [[0, 10, 200, 255], [30, 60, 90, 120], [255, 0, 255, 0]]
BY_OPENCV = [
    [0, 0, 0, 50, 159, 246, 255, 255],
    [0, 0, 2, 57, 131, 198, 220, 235],
    [0, 11, 38, 68, 83, 117, 150, 170],
    [88, 75, 52, 64, 104, 114, 89, 75],
    [225, 155, 37, 47, 182, 191, 73, 2],
    [255, 204, 29, 37, 229, 237, 62, 0],
]


@pytest.mark.parametrize("name", ["bicubic-opencv", "bicubic-torch"])
def test_opencvs_values(name):
    made = INTERPOLATORS[name].enlarge(np.array(SMALL, np.uint8), 2)
    assert np.abs(made.astype(int) - BY_OPENCV).max() <= 1


def test_opencvs_is_its_formula():
    """By hand: in the middle of a step from 0 to 64, at 1/4 of a pixel beside it; weights of a = -0.75."""
    kernel = cubic(-0.75)
    line = np.array([[0, 0, 0, 64, 64, 64]], np.uint8)
    made = INTERPOLATORS["bicubic-opencv"].enlarge(line, 2)
    right = [sum(64 * kernel(old - (new + 0.5) / 2 + 0.5) for old in range(3, 9)) for new in range(12)]
    np.testing.assert_array_equal(made[0], rounded(np.array(right)))
    np.testing.assert_array_equal(made[1], made[0])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_opencvs_and_torchs_differ_by_rounding_alone(scale):
    image = data.astronaut()[:40, :52]
    one, other = (INTERPOLATORS[name].enlarge(image, scale) for name in ("bicubic-opencv", "bicubic-torch"))
    assert np.abs(one.astype(int) - other).max() <= 1
    assert (one != other).mean() < 0.01


@pytest.mark.parametrize("name", INTERPOLATORS)
def test_each_is_a_model_of_upscale(name, tmp_path):
    images.write(tmp_path / "LR/a.png", data.astronaut()[:20, :31])
    images.write(tmp_path / "LR/b.png", data.camera()[:20, :31])
    upscale_dir(tmp_path / "LR", tmp_path / "SR", name, 3)
    assert images.read(tmp_path / "SR/a.png").shape == (60, 93, 3)
    assert images.read(tmp_path / "SR/b.png").shape == (60, 93)
    made_by = read_manifest(tmp_path / "SR")["made_by"]
    assert (made_by["model"], made_by["computed"]) == (name, INTERPOLATORS[name].about)
    assert "degradation" not in made_by
    upscale_path(tmp_path / "LR/a.png", tmp_path / "a.npy", name, 3, options=Options(kind="float"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), images.read(tmp_path / "SR/a.png"))


@pytest.mark.parametrize("name", sorted(ENLARGERS.keys() - {LUMA_ENLARGER}))
def test_a_degradation_can_name_each_bicubic_for_the_baseline(name):
    kernel = define("own", {"steps": [{"modcrop": "scale"}, {"imresize": "1/scale"}], "enlarger": name})
    image = data.camera()[:20, :31]
    np.testing.assert_array_equal(kernel.enlarge(image, 2), INTERPOLATORS[f"bicubic-{name}"].enlarge(image, 2))
