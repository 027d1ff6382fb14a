from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srgrid.errors import SrgridError
from srgrid.images import list_images, read
from srgrid.resize import imresize, modcrop

SCALES = [2, 3, 4, 1 / 2, 1 / 3, 1 / 4, 2 / 3, 1.5]


def definition(image: np.ndarray, scale: float) -> np.ndarray:
    """MATLAB's method written down plainly, tap by tap, in exact fractions (slow)."""
    exact = Fraction(scale).limit_denominator(100)

    def kernel(x: Fraction) -> Fraction:
        x = abs(x)
        if x <= 1:
            return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
        return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2 if x <= 2 else Fraction(0)

    def one_axis(values: list[int]) -> list[int]:
        shrink, size = min(exact, Fraction(1)), len(values)
        out = []
        for i in range(1, -(-size * exact.numerator // exact.denominator) + 1):
            centre = i / exact + (1 - 1 / exact) / 2
            first = (centre - 2 / shrink).__floor__()
            taps = range(first, first + (4 / shrink).__ceil__() + 2)
            weights = [kernel(shrink * (centre - tap)) for tap in taps]
            mean = sum(w * values[min(max(t - 1, 0), size - 1)] for w, t in zip(weights, taps, strict=True))
            out.append(min(max((mean / sum(weights) + Fraction(1, 2)).__floor__(), 0), 255))
        return out

    rows = np.array([one_axis(column) for column in image.T.tolist()]).T
    return np.array([one_axis(row) for row in rows.tolist()], np.uint8)


@pytest.mark.mirror
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_equals_matlab_on_set5(mirror, scale):
    files = list_images(mirror / "Set5" / "LR_matlab" / f"x{scale}")
    assert len(files) == 5
    for file in files:
        hr = next(h for h in list_images(mirror / "Set5" / "HR") if file.stem.startswith(h.stem))
        assert np.array_equal(imresize(modcrop(read(hr), scale), 1 / scale), read(file)), file


@pytest.mark.parametrize("scale", SCALES)
def test_equals_the_definition_on_a_photograph(photographs, scale):
    image = photographs["camera"][100:141, 200:237]
    assert np.array_equal(imresize(image, scale), definition(image, scale))


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)),
    st.fractions(min_value=Fraction(1, 5), max_value=4, max_denominator=7),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_definition_for_any_ratio(image, scale):
    assert np.array_equal(imresize(image, float(scale)), definition(image, float(scale)))


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=12)),
    st.floats(min_value=0.05, max_value=6),
)
@settings(max_examples=100, deadline=None)
def test_size_type_and_channels(image, scale):
    out = imresize(image, scale)
    assert out.dtype == np.uint8
    assert out.shape == (*(int(np.ceil(n * scale)) for n in image.shape[:2]), *image.shape[2:])


@given(st.integers(0, 255), st.floats(min_value=0.1, max_value=5), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_a_constant_image_stays_constant(value, scale, height, width):
    assert (imresize(np.full((height, width), value, np.uint8), scale) == value).all()


@given(hnp.arrays(np.uint8, (12, 18, 3)), st.sampled_from([2, 3, 0.5, 1 / 3, 0.37]))
@settings(max_examples=40, deadline=None)
def test_channels_are_independent_and_mirror_images_stay_so(image, scale):
    out = imresize(image, scale)
    for channel in range(3):
        assert np.array_equal(out[..., channel], imresize(image[..., channel], scale))
    if scale != 0.37:  # an irregular scale samples off-centre at the far end: ceil(n * scale) is no exact size there
        assert np.array_equal(imresize(image[:, ::-1], scale), out[:, ::-1])


def test_scale_one_is_the_identity(photographs):
    assert np.array_equal(imresize(photographs["coffee"], 1), photographs["coffee"])


def test_irregular_scales_agree_with_regular_ones_nearby(photographs):
    image = photographs["chelsea"]
    near = imresize(image, 0.5 + 1e-12).astype(int)
    exact = imresize(image, 0.5).astype(int)
    assert np.abs(near[: exact.shape[0], : exact.shape[1]] - exact).max() <= 1


def test_non_contiguous_input(photographs):
    image = photographs["astronaut"]
    assert np.array_equal(imresize(image[::2, ::3], 0.5), imresize(image[::2, ::3].copy(), 0.5))


@pytest.mark.parametrize(
    ("image", "scale", "words"),
    [
        (np.zeros((4, 4)), 2, "float64"),
        (np.zeros((4, 4), np.uint8), 0, "positive"),
        (np.zeros((4, 4), np.uint8), float("nan"), "positive"),
        (np.zeros((0, 4), np.uint8), 2, "at least one pixel"),
        (np.zeros(4, np.uint8), 2, "H x W"),
    ],
)
def test_bad_input_is_refused(image, scale, words):
    with pytest.raises(SrgridError, match=words):
        imresize(image, scale)


def test_modcrop_keeps_the_top_left(photographs):
    image = photographs["chelsea"]  # 300 x 451
    out = modcrop(image, 4)
    assert out.shape == (300, 448, 3)
    assert np.array_equal(out, image[:300, :448])
    with pytest.raises(SrgridError, match="smaller than scale"):
        modcrop(image[:3], 4)
    with pytest.raises(SrgridError, match="positive integer"):
        modcrop(image, 1.5)
