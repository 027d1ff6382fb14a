import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srgrid import scoring
from srgrid.errors import SrgridError
from srgrid.images import list_images, read, write
from srgrid.metrics import METRICS, PSNR_SSIM, measure, score
from srgrid.metrics.pair import make_pair
from srgrid.protocols import PROTOCOLS, get_protocol, protocols
from srgrid.resize import imresize, modcrop

IMAGES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=11, max_side=60))


@pytest.mark.mirror
def test_equals_the_rcan_authors_printed_values(mirror):
    folder = mirror / "Set5" / "SR_rcan_official"
    printed = json.loads((folder / "published_scores.json").read_text())
    assert len(printed) == 10
    for key, (psnr_printed, ssim_printed) in printed.items():
        _, scale, name = key.split("/")
        sr = next(file for file in list_images(folder / scale) if file.stem.startswith(name))
        value = score(read(sr), read(mirror / "Set5" / "HR" / f"{name}.png"), int(scale[1]))
        assert value == pytest.approx((psnr_printed, ssim_printed), abs=1e-6)


@pytest.mark.mirror
@pytest.mark.parametrize(("scale", "published"), [(2, "33.64/0.9292"), (3, "30.39/0.8678"), (4, "28.42/0.8101")])
def test_luma8_bicubic_on_set5_is_the_cards(mirror, scale, published):
    values = []
    for file in list_images(mirror / "Set5" / "HR"):
        hr = modcrop(read(file), scale)
        values.append(score(imresize(imresize(hr, 1 / scale), scale), hr, scale, "luma8"))
    psnr_mean, ssim_mean = np.mean(values, axis=0)
    assert f"{psnr_mean:.2f}/{ssim_mean:.4f}" == published


@pytest.mark.mirror
@pytest.mark.parametrize(("scale", "expected"), [(3, (30.942, 0.8846)), (2, None)])
def test_super_image_resizes_the_truth(mirror, scale, expected):
    """Set5's sizes are multiples of 2 but not of 3: there HR is resized, worth +0.50 dB."""
    values, cropped = [], []
    for file in list_images(mirror / "Set5" / "HR"):
        hr = read(file)
        size = hr.shape[1] // scale, hr.shape[0] // scale
        lr = Image.fromarray(hr).resize(size, Image.Resampling.BICUBIC)
        sr = np.asarray(lr.resize((size[0] * scale, size[1] * scale), Image.Resampling.BICUBIC))
        values.append(score(sr, hr, scale, "super-image"))
        cropped.append(score(sr, modcrop(hr, scale), scale, "super-image"))
    mean = np.mean(values, axis=0)
    if expected:
        assert (round(mean[0], 3), round(mean[1], 4)) == expected
        assert mean[0] > np.mean(cropped, axis=0)[0] + 0.3
    else:
        assert mean == pytest.approx(np.mean(cropped, axis=0))


GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "camera"])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_protocol_calls_scikit_image(photographs, name, protocol):
    hr = photographs[name]
    sr = imresize(imresize(modcrop(hr, 3), 1 / 3), 3)
    a, b = make_pair(sr, hr, 3, PROTOCOLS[protocol]).luma
    value = score(sr, hr, 3, protocol)
    assert value.psnr == peak_signal_noise_ratio(b, a, data_range=255)
    assert value.ssim == structural_similarity(a, b, **GAUSSIAN)


@given(IMAGES, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_ssim_is_scikit_images_for_every_window_and_border(image, seed):
    """`valid` averages the map without the window's radius, `reflect` all of it."""
    a = image.astype(np.float64)
    b = np.clip(a + np.random.default_rng(seed).normal(0, 20, a.shape), 0, 255).round()
    for window, radius, options in (("gaussian-11", 5, GAUSSIAN), ("uniform-7", 3, {"win_size": 7, "data_range": 255})):
        _, full = structural_similarity(a, b, full=True, **options)
        for border, cut in (("valid", slice(radius, -radius)), ("reflect", slice(None))):
            rule = protocols({"own": {"ssim_window": window, "ssim_border": border, "shave": 0}})["own"]
            found = measure(b.astype(np.uint8), image, 1, rule, [METRICS["ssim"]])["ssim"]
            assert found == pytest.approx(full[cut, cut].mean(), abs=1e-12)


def test_a_metric_sees_luma_and_rgb_of_equal_size_and_shaved(photographs):
    hr = photographs["chelsea"]  # 300 x 451
    sr = imresize(imresize(modcrop(hr, 2), 1 / 2), 2)
    pair = make_pair(sr, hr, 2, PROTOCOLS["rgb8"])
    assert [image.shape for image in (*pair.luma, *pair.rgb)] == [(296, 446)] * 2 + [(296, 446, 3)] * 2
    assert np.array_equal(pair.rgb[1], hr[2:298, 2:448])
    weights = np.array([65.481, 128.553, 24.966]) / 255
    assert pair.luma[1] == pytest.approx(pair.rgb[1] @ weights + 16)
    grey = make_pair(photographs["camera"], photographs["camera"], 2, PROTOCOLS["rgb8"])
    assert np.array_equal(grey.rgb[0][..., 2], grey.luma[0])


@given(IMAGES)
@settings(max_examples=30, deadline=None)
def test_an_image_against_itself_is_perfect(image):
    hr = np.pad(image, 2, mode="edge")
    assert score(hr, hr, 2) == (float("inf"), pytest.approx(1.0))


@given(st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_psnr_of_a_constant_offset_is_known(offset):
    hr = np.full((30, 30), 100, np.uint8)
    expected = 20 * np.log10(255 / offset)
    assert score(hr + np.uint8(offset), hr, 2).psnr == pytest.approx(expected)
    # the luma of a grey offset is 219/255 of it
    rgb = np.repeat(hr[..., None], 3, axis=2)
    luma = expected + 20 * np.log10(255 / 219)
    assert score(rgb + np.uint8(offset), rgb, 2, rgb=True).psnr == pytest.approx(luma, abs=1e-6)


def test_equal_images_have_infinite_psnr_and_no_warning(photographs, recwarn):
    assert score(photographs["camera"], photographs["camera"], 2) == (float("inf"), pytest.approx(1.0))
    assert not recwarn.list


def test_a_window_is_asked_for_by_the_metric_that_has_one():
    small = np.zeros((14, 20), np.uint8)
    assert measure(small, small, 2, "rgb8", [METRICS["psnr"]]) == {"psnr": float("inf")}
    with pytest.raises(SrgridError, match="20 x 14 is too small to score: 11 px are needed after shaving 2"):
        measure(small, small, 2, "rgb8", [METRICS["ssim"]])
    with pytest.raises(SrgridError, match="20 x 4 is too small to score: 1 px are needed after shaving 2"):
        measure(small[:4], small[:4], 2, "rgb8", [METRICS["psnr"]])


def test_uniform_7_is_scikit_images_default(photographs):
    hr = photographs["camera"]
    sr = imresize(imresize(hr, 0.5), 2)
    protocol = protocols({"plain": {"ssim_window": "uniform-7", "shave": 0}})["plain"]
    plain = structural_similarity(sr.astype(float), hr.astype(float), data_range=255)
    assert score(sr, hr, 2, protocol).ssim == plain


def test_more_noise_scores_lower(photographs):
    hr = photographs["coffee"]
    noise = np.random.default_rng(1).normal(0, 1, hr.shape)
    values = [score(np.clip(hr + s * noise, 0, 255).astype(np.uint8), hr, 2) for s in (2, 8, 32)]
    assert values[0].psnr > values[1].psnr > values[2].psnr
    assert values[0].ssim > values[1].ssim > values[2].ssim


def test_super_image_takes_floats_unrounded_and_clips(photographs):
    hr = photographs["coffee"]
    sr = hr.astype(np.float32) + 0.4
    assert score(sr, hr, 2, "super-image").psnr == pytest.approx(20 * np.log10(255 / (0.4 * 218.859 / 256)), abs=0.05)
    over = np.where(hr > 128, 255.4, -0.4)
    assert score(over, hr, 2, "super-image") == score(np.clip(over, 0, 255), hr, 2, "super-image")


def test_hr_is_cropped_to_the_sr_and_grey_keeps_its_values(photographs):
    hr = photographs["chelsea"]  # 451 wide
    sr = imresize(imresize(modcrop(hr, 4), 1 / 4), 4)
    assert score(sr, hr, 4) == score(sr, modcrop(hr, 4), 4)
    grey = photographs["camera"]
    blurred = imresize(imresize(grey, 0.5), 2)
    tiled = np.repeat(blurred[..., None], 3, axis=2)
    assert score(tiled, grey, 2) == score(blurred, grey, 2)
    tile = protocols({"tiled": {"grey": "tile"}})["tiled"]
    assert score(blurred, grey, 2, tile).psnr == pytest.approx(score(blurred, grey, 2).psnr + 20 * np.log10(255 / 219))


def test_the_literature_protocol_is_rgb8_with_grey_images_tiled(photographs):
    rgb8, literature = PROTOCOLS["rgb8"], PROTOCOLS["literature"]
    assert replace(literature, name=rgb8.name, about=rgb8.about, grey="own") == rgb8
    for name, moved in (("camera", 20 * np.log10(255 / 219)), ("chelsea", 0)):
        hr = photographs[name]
        sr = imresize(imresize(modcrop(hr, 2), 1 / 2), 2)
        assert score(sr, hr, 2, literature).psnr == pytest.approx(score(sr, hr, 2, rgb8).psnr + moved)


@pytest.mark.parametrize(
    ("sr", "hr", "protocol", "words"),
    [
        (np.zeros((20, 20), np.uint8), np.zeros((24, 20), np.uint8), "rgb8", "not the same image"),
        (np.zeros((20, 20)), np.zeros((20, 20), np.uint8), "rgb8", "scores uint8 images"),
        (np.full((20, 20), np.nan), np.zeros((20, 20), np.uint8), "super-image", "not finite"),
        (np.zeros((14, 20), np.uint8), np.zeros((14, 20), np.uint8), "rgb8", "too small"),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8), "psnr-y", "choose one of"),
        (np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20), np.uint8), "rgb8", "H x W x 3"),
        (np.zeros((20, 20), np.uint8), np.dstack([np.eye(20, dtype=np.uint8)] * 2 + [np.zeros((20, 20), np.uint8)]),
         "rgb8", "SR is grey and HR is in colour"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(sr, hr, protocol, words):
    with pytest.raises(SrgridError, match=words):
        score(sr, hr, 2, protocol)


def test_luma_without_its_offset_moves_ssim_alone(photographs):
    """PSNR is of differences; SSIM also divides by means, which are 16 lower."""
    hr = photographs["coffee"]
    sr = imresize(imresize(hr, 1 / 2), 2)
    rule = replace(PROTOCOLS["rgb8"], name="own", luma="bt601-no-offset")
    (psnr, ssim), without = score(sr, hr, 2), score(sr, hr, 2, rule)
    assert without.psnr == pytest.approx(psnr, abs=1e-9)
    y, truth = ((image[2:-2, 2:-2] @ np.array([65.481, 128.553, 24.966])) / 255 for image in (sr, hr))
    how = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert ssim - 1e-5 > without.ssim == pytest.approx(structural_similarity(y, truth, **how), abs=1e-9)


def test_protocols_of_a_config():
    own = protocols({"no-shave": {"base": "luma8", "shave": 0}})["no-shave"]
    assert (own.shave, own.round_luma, own.name) == (0, True, "no-shave")
    for given_, words in [
        ({"rgb8": {}}, "built in"),
        ({"x": {"base": "rgb9"}}, "unknown protocol 'rgb9'"),
        ({"x": {"shav": 1}}, "protocols.x.shav"),
        ({"x": {"shave": -1}}, "protocols.x.shave"),
        ({"x": {"luma": "ycc"}}, "protocols.x.luma"),
    ]:
        with pytest.raises(SrgridError, match=words):
            protocols(given_)


@pytest.mark.parametrize(
    ("higher", "values", "ranks"),
    [
        (True, [30.0, 31.0, 32.0], [0, 2, 1]),
        (False, [30.0, 31.0, 32.0], [1, 2, 0]),
        (True, [30.0, 32.0], [0, 1]),
        (True, [32.001, 32.004, 31.0], [1, 1, 0]),  # equal as they are printed
        (True, [32.0, 32.0], [1, 1]),
        (True, [32.0], [0]),
        (True, [float("inf"), 31.0, 30.0], [1, 2, 0]),
        (True, [float("nan"), 31.0, 30.0], [0, 1, 0]),
        (True, [4.0, 3.0, 2.0, 1.0], [1, 2, 3, 0]),
    ],
)
def test_the_rank_of_a_value_is_that_of_what_is_printed(higher, values, ranks):
    metric = replace(METRICS["psnr"], higher_is_better=higher)
    assert [metric.rank(value, values) for value in values] == ranks


def test_what_protocols_share_is_scored_once(photographs, tmp_path, monkeypatch):
    """A protocol that treats grey images otherwise differs on those alone."""
    images = {"colour": photographs["chelsea"][:48, :48], "grey": photographs["camera"][:48, :48]}
    for name, image in images.items():
        write(tmp_path / "HR" / f"{name}.png", image)
        write(tmp_path / "SR" / f"{name}.png", image ^ 1)
    scored = []
    monkeypatch.setattr(scoring, "measure", lambda *given: scored.append(given[3].name) or measure(*given))
    known = [get_protocol(name) for name in ("rgb8", "luma8", "literature")]
    rows = scoring.score_protocols(tmp_path / "SR", tmp_path / "HR", 2, known)
    assert scored == ["rgb8", "luma8", "rgb8", "luma8", "literature"]
    for protocol in known:
        expected = [measure(images[row.image] ^ 1, images[row.image], 2, protocol, PSNR_SSIM) for row in rows["rgb8"]]
        assert [row.values for row in rows[protocol.name]] == expected


def alone(text):
    """What a fresh Python prints that runs this."""
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()


def test_scoring_imports_no_statistics_and_leaves_everybody_theirs():
    """scikit-image imports scipy.stats for an entropy; it takes half a second, most of a short scoring."""
    scored = "import numpy as np, sys, srgrid.metrics as m; i = np.full((16, 16), 9, np.uint8); m.score(i + 1, i, 1)\n"
    assert alone(scored + "print('scipy.stats' in sys.modules, 'skimage.metrics' in sys.modules)") == ["False", "True"]
    after = "import scipy.stats as s; print(s.__name__, s.__file__ is not None, round(s.norm.cdf(0), 3))"
    assert alone(scored + after) == ["scipy.stats", "True", "0.5"]
    before = "import scipy.stats as s\n" + scored + "print(sys.modules['scipy.stats'] is s)"
    assert alone(before) == ["True"]


def test_scikit_images_own_entropy_is_still_there():
    text = "import numpy as np, srgrid.metrics.scikit as k; k.peak_signal_noise_ratio()\n"
    text += "import skimage.metrics as m; i = np.arange(64).reshape(8, 8); print(m.normalized_mutual_information(i, i))"
    assert float(alone(text)[0]) == pytest.approx(2.0)


def test_what_else_is_asked_of_statistics_meanwhile_is_the_real_one():
    text = "import sys, srgrid.metrics.scikit as k; s = k._Stats('scipy.stats'); sys.modules['scipy.stats'] = s\n"
    text += "from scipy.stats import norm; print(round(norm.cdf(0), 3), sys.modules['scipy.stats'] is s)"
    assert alone(text) == ["0.5", "False"]
