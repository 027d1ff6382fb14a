"""Bicubic as the printed columns have it: of the 8-bit luma alone, LR never rounded, clipped to 16..235."""

import numpy as np
import pytest
from click.testing import CliRunner

from srgrid import images
from srgrid.bench import bench, configure
from srgrid.choices import choice_definitions, choice_protocols
from srgrid.cli import app
from srgrid.columns import Column
from srgrid.data.pack import pack
from srgrid.degrade import DEGRADATIONS, define, make_lr
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.interpolate import luma_bicubic
from srgrid.luma import luma, luma8
from srgrid.metrics.pair import make_pair
from srgrid.protocols import get_protocol, protocols
from srgrid.report.literature import literature
from srgrid.resize import imresize, imresize_real, modcrop
from srgrid.scoring import mean, score_dirs
from srgrid.upscale import upscale_dir

CHOICE = "audit-bicubic-luma"
PROTOCOL = choice_protocols()[CHOICE]
UNROUNDED = DEGRADATIONS["luma-unrounded"]


def by_formula(size, scale, mirrored):
    """The matrix of MATLAB's imresize along one axis, written down from its definition (Keys 1981, a = -1/2)."""
    inside = list(range(size))
    whole = inside[::-1] + inside + inside[::-1] if mirrored else [0] * size + inside + [size - 1] * size
    shrink = min(scale, 1)
    made = np.zeros((int(np.ceil(size * scale)), size))
    for row in range(len(made)):
        centre = (row + 0.5) / scale - 0.5
        taps = np.arange(int(np.floor(centre - 2 / shrink)) - 1, int(np.ceil(centre + 2 / shrink)) + 2)
        x = np.abs(shrink * (centre - taps))
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        weights = np.where(x <= 1, near, np.where(x <= 2, far, 0))
        for tap, weight in zip(taps, weights / weights.sum(), strict=True):
            made[row, whole[tap + size]] += weight
    return made


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 0.5, 2, 3, 4, 0.7])
@pytest.mark.parametrize("mirrored", [False, True])
def test_real_values_are_resized_by_matlabs_definition(photographs, scale, mirrored):
    values = luma8(photographs["chelsea"])[40:88, 60:120] / 3.0
    expected = by_formula(48, scale, mirrored) @ values @ by_formula(60, scale, mirrored).T
    np.testing.assert_allclose(imresize_real(values, scale, mirrored=mirrored), expected, rtol=0, atol=1e-10)


def test_of_whole_numbers_imresize_is_the_same_but_for_its_two_roundings(photographs):
    grey = photographs["camera"][:120, :90]
    unrounded = np.clip(imresize_real(grey, 0.5), 0, 255)
    assert np.abs(imresize(grey, 0.5) - unrounded).max() < 1.5


@pytest.mark.parametrize("given", [np.zeros((4, 4, 3)), np.zeros((0, 4))])
def test_what_cannot_be_resized(given):
    with pytest.raises(SrgridError, match="expected H x W with at least one pixel"):
        imresize_real(given, 0.5)
    with pytest.raises(SrgridError, match="scale must be a positive number"):
        imresize_real(np.zeros((4, 4)), float("nan"))


def test_luma_is_rounded_as_rgb2ycbcr_does(photographs):
    image = photographs["astronaut"][:50, :50]
    assert np.abs(luma8(image) - luma(image)).max() <= 0.5
    assert luma8(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).tolist() == [[16, 235]]
    assert luma8(photographs["camera"]) is photographs["camera"]


def test_the_enlarged_luma_stays_between_black_and_white():
    stripes = np.tile(np.array([0, 255] * 8, np.uint8), (16, 1))
    made = luma_bicubic(stripes.astype(np.float32), 2)
    assert (made.dtype, made.min(), made.max()) == (np.uint8, 16, 235)


@pytest.fixture
def folders(tmp_path, photographs):
    """HR in colour and grey, LR that is not rounded, and bicubic made of it."""
    images.write(tmp_path / "HR/cat.png", photographs["chelsea"][60:141, 80:181])
    images.write(tmp_path / "HR/grey.png", photographs["camera"][60:141, 80:181])
    make_lr(tmp_path / "HR", tmp_path / "LR", 2, UNROUNDED)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, degradation=UNROUNDED)
    return tmp_path


def test_lr_is_not_rounded_and_bicubic_is_luma(folders):
    lr = np.load(folders / "LR/cat.npy")
    assert (lr.dtype, lr.shape) == (np.float32, (40, 50))
    assert np.abs(lr - np.round(lr)).max() > 0.4
    sr = images.read(folders / "SR/cat.png")
    hr = luma8(modcrop(images.read(folders / "HR/cat.png"), 2))
    np.testing.assert_array_equal(sr, luma_bicubic(imresize_real(hr, 0.5, mirrored=True).astype(np.float32), 2))
    assert read_manifest(folders / "LR")["made_by"]["steps"] == [{"modcrop": "scale"}, {"luma-imresize": "1/scale"}]


def test_it_is_scored_against_the_luma_of_hr_in_8_bits(folders):
    rows = {row.image: row for row in score_dirs(folders / "SR", folders / "HR", 2, PROTOCOL)}
    sr, hr = images.read(folders / "SR/cat.png"), luma8(modcrop(images.read(folders / "HR/cat.png"), 2))
    error = (sr.astype(float) - hr)[2:-2, 2:-2]
    assert rows["cat"].values["psnr"] == pytest.approx(20 * np.log10(255 / np.sqrt((error**2).mean())))
    assert rows["grey"].values["psnr"] > 20


def test_a_changed_array_is_noticed(folders):
    np.save(folders / "LR/cat.npy", np.load(folders / "LR/cat.npy") + 1)
    with pytest.raises(SrgridError, match=r"cat\.npy: other pixels than when the folder was made"):
        upscale_dir(folders / "LR", folders / "again", "bicubic", 2, degradation=UNROUNDED)
    assert not (folders / "again").exists()


@pytest.mark.parametrize("model", ["lanczos", "rcan-bam-xs"])
def test_nothing_else_enlarges_it(folders, model):
    with pytest.raises(SrgridError, match="holds no images"):
        upscale_dir(folders / "LR", folders / "other", model, 2, degradation=UNROUNDED)


def test_images_are_not_taken_for_unrounded_luma(folders):
    with pytest.raises(SrgridError, match="enlarges float32 luma, H x W, which is not rounded; got uint8"):
        upscale_dir(folders / "HR", folders / "other", "bicubic", 2, degradation=UNROUNDED)


def test_nothing_is_trained_on_it(folders):
    with pytest.raises(SrgridError, match="luma that is not rounded, for bicubic alone"):
        pack([folders / "HR"], 2, folders / "x.srpack", UNROUNDED)
    assert not (folders / "x.srpack").exists()


def test_step_and_enlarger_go_together():
    steps = [{"modcrop": "scale"}, {"luma-imresize": "1/scale"}]
    with pytest.raises(SrgridError, match="go together"):
        define("mine", steps)
    with pytest.raises(SrgridError, match="go together"):
        define("mine", {"steps": [{"imresize": "1/scale"}], "enlarger": "matlab-luma"})
    assert define("mine", {"steps": steps, "enlarger": "matlab-luma"}).is_luma


def test_sr_images_that_are_luma(photographs):
    hr = photographs["chelsea"][:60, :60]
    rule = protocols({"y": {"base": "luma8", "channels": "luma"}})["y"]
    sr, own = make_pair(luma8(hr), hr, 2, rule).luma
    np.testing.assert_array_equal(sr, own)
    with pytest.raises(SrgridError, match="SR is in colour; this protocol scores SR images that are luma"):
        make_pair(hr, hr, 2, rule)
    with pytest.raises(SrgridError, match="SR: is luma under protocol y; RGB cannot be compared"):
        _ = make_pair(luma8(hr), hr, 2, rule).rgb
    with pytest.raises(SrgridError, match="SR is grey and HR is in colour"):
        make_pair(luma8(hr), hr, 2, get_protocol("luma8"))


def test_records_say_so_only_where_it_is_so():
    assert PROTOCOL.record()["channels"] == "luma"
    assert "channels" not in get_protocol("rgb8").record()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocols": [CHOICE, "rgb8"]}, "lanczos makes RGB of RGB"),
        ({"protocols": ["half"]}, "channels: rgb does not go with degradation: luma-unrounded, whose bicubic is luma"),
        ({"protocols": ["other"]}, "channels: luma does not go with degradation: matlab, whose bicubic is RGB"),
        ({"train": {"degradation": "luma-unrounded"}}, "train.degradation: degradation luma-unrounded: makes luma"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_starts(folders, changes, said):
    own = {"half": {"degradation": "luma-unrounded"}, "other": {"channels": "luma"}}
    config = configure([Column("bicubic", ""), Column("lanczos", "lanczos")], ["HR"], [2], **changes)
    config["define_protocols"] = choice_definitions() | own
    with pytest.raises(SrgridError, match=said):
        bench(config, folders={"HR": folders / "HR"})


def test_check_names_it(folders, monkeypatch):
    monkeypatch.chdir(folders)
    means = mean(score_dirs(folders / "SR", folders / "HR", 2, PROTOCOL))
    claim = f"{means['psnr']:.4f}/{means['ssim']:.5f}"
    result = CliRunner().invoke(app, ["check", claim, "--model", "bicubic", "--dataset", "set/HR", "--scale", "2"])
    assert "there is no such folder" in str(result.exception)
    result = CliRunner().invoke(app, ["check", claim, "--model", "bicubic", "--dataset", "./HR", "--scale", "2"])
    assert result.exit_code == 0, result.output
    assert f": {CHOICE}, rounded" in result.stdout.splitlines()[0]


@pytest.mark.mirror
@pytest.mark.parametrize("dataset", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_printed_bicubic_column_comes_out(mirror, tmp_path, dataset, scale):
    (printed,) = (
        cell.text
        for cell in literature()
        if (cell.method, cell.label, cell.dataset, cell.scale) == ("bicubic", "RCAN-tf", dataset, scale)
    )
    make_lr(mirror / dataset / "HR", tmp_path / "LR", scale, UNROUNDED)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", scale, degradation=UNROUNDED)
    means = mean(score_dirs(tmp_path / "SR", mirror / dataset / "HR", scale, PROTOCOL))
    assert f"{means['psnr']:.2f}/{means['ssim']:.4f}" == printed
