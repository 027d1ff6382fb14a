"""Degradations are lists of steps: the built-in ones, and one that a test adds, as a step or in data alone."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from srgrid import degrade, images
from srgrid.data.pack import Pack, pack
from srgrid.degrade import DEGRADATIONS, degradations, make_lr
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.luma import luma8
from srgrid.protocols import get_protocol, protocols
from srgrid.resize import imresize, imresize_real, modcrop
from srgrid.scoring import score_dirs
from srgrid.steps import STEPS, amount, apply_steps, parse_steps
from srgrid.upscale import upscale_dir

TOY = [{"modcrop": "scale"}, {"box-blur": {"side": 3}}, {"subsample": "scale"}]


def box_blur(image, side):
    reach = int(side) // 2
    padded = np.pad(image.astype(np.uint16), [(reach, reach)] * 2 + [(0, 0)] * (image.ndim - 2), mode="edge")
    rows, columns = image.shape[:2]
    shifted = [padded[y : y + rows, x : x + columns] for y in range(int(side)) for x in range(int(side))]
    return (sum(shifted) // len(shifted)).astype(np.uint8)


@pytest.fixture
def toy(monkeypatch):
    """Two steps and a degradation of them, added from outside."""
    monkeypatch.setitem(STEPS, "box-blur", box_blur)
    monkeypatch.setitem(STEPS, "subsample", lambda image, by: image[:: int(by), :: int(by)])
    monkeypatch.setitem(DEGRADATIONS, "toy", degrade.define("toy", TOY))


def test_the_built_in_ones_are_what_their_names_say(photographs):
    hr = photographs["chelsea"][:151, :203]
    whole = Image.fromarray(hr).resize((203 // 4, 151 // 4), Image.Resampling.BICUBIC)
    cropped = Image.fromarray(hr[:148, :200]).resize((50, 37), Image.Resampling.BICUBIC)
    expected = {
        "matlab": imresize(modcrop(hr, 4), 1 / 4),
        "matlab-uncropped": imresize(hr, 1 / 4),
        "pillow": np.asarray(cropped),
        "pillow-uncropped": np.asarray(whole),
        "luma-unrounded": imresize_real(luma8(modcrop(hr, 4)), 1 / 4, mirrored=True).astype(np.float32),
    }
    assert expected.keys() == DEGRADATIONS.keys()
    for name, lr in expected.items():
        assert np.array_equal(DEGRADATIONS[name].shrink(hr, 4), lr), name
        assert DEGRADATIONS[name].crops == (not name.endswith("-uncropped"))
    lr = expected["matlab"]
    assert np.array_equal(DEGRADATIONS["matlab"].enlarge(lr, 4), imresize(lr, 4))
    big = Image.fromarray(lr).resize((200, 148), Image.Resampling.BICUBIC)
    assert np.array_equal(DEGRADATIONS["pillow-uncropped"].enlarge(lr, 4), np.asarray(big))


def test_a_degradation_added_as_steps_serves_everything(photo_dir, tmp_path, toy):
    """LR images, a training set, and the score of bicubic under a protocol that names it."""
    make_lr(photo_dir, tmp_path / "LR", 2, "toy")
    expected = box_blur(images.read(photo_dir / "coffee.png"), 3)[::2, ::2]
    assert np.array_equal(images.read(tmp_path / "LR/coffee.png"), expected)
    made_by = read_manifest(tmp_path / "LR")["made_by"]
    assert (made_by["degradation"], made_by["steps"]) == ("toy", TOY)

    pack([photo_dir], 2, tmp_path / "x2.srpack", "toy")
    opened = Pack.open(tmp_path / "x2.srpack")
    assert opened.degradation == {"name": "toy", "steps": TOY}
    lr = {name: lr for name, _, lr in opened.pairs()}
    assert np.array_equal(lr[f"{tmp_path.name}/coffee"], expected)

    rule = get_protocol("blurred", protocols({"blurred": {"degradation": "toy"}}))
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, degradation=rule.degradation)
    assert len(score_dirs(tmp_path / "SR", photo_dir, 2, rule)) == 4
    assert np.array_equal(images.read(tmp_path / "SR/coffee.png"), imresize(expected, 2))


def test_a_degradation_in_data_alone(photo_dir, tmp_path):
    """Through the command line, as the workflow hands over the config's define_degradations."""
    steps = [{"modcrop": "scale"}, {"imresize": "1/2"}, {"imresize": "2/scale"}]
    given = {"twice": {"steps": steps, "enlarger": "pillow"}}
    words = ["--scale", "4", "--degradation", "twice", "--define", json.dumps(given)]
    for command in (
        ["lr", photo_dir, tmp_path / "LR", *words],
        ["upscale", tmp_path / "LR", tmp_path / "SR", "--model", "bicubic", *words],
        ["pack", photo_dir, "--out", tmp_path / "x4.srpack", *words],
    ):
        line = [sys.executable, "-m", "srgrid", *map(str, command)]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    hr = images.read(photo_dir / "chelsea.png")
    lr = imresize(imresize(hr, 1 / 2), 1 / 2)
    assert np.array_equal(images.read(tmp_path / "LR/chelsea.png"), lr)
    assert np.array_equal(images.read(tmp_path / "SR/chelsea.png"), DEGRADATIONS["pillow"].enlarge(lr, 4))
    opened = Pack.open(tmp_path / "x4.srpack")
    assert opened.degradation == {"name": "twice", "steps": steps}


def test_amounts():
    assert [amount(text, 4) for text in (3, "0.5", "1/2", "scale", "1/scale", " 2 / scale ")] == [
        *(Fraction(3), Fraction(1, 2), Fraction(1, 2), Fraction(4), Fraction(1, 4), Fraction(1, 2))
    ]
    for bad in ("1/0", "1/2/3", "", "scales", "1e9999999", -1, None, True, [1], "1 2"):
        with pytest.raises(SrgridError, match="no number, fraction or scale"):
            amount(bad, 4)
    with pytest.raises(SrgridError, match="'1/scale' is no number"):
        amount("1/scale", None)


@pytest.mark.parametrize("given", [[], {}, "imresize", [{"imresize": 1, "modcrop": 2}], ["modcrop"], None])
def test_what_is_no_list_of_steps_is_refused(given):
    with pytest.raises(SrgridError, match="expected steps, such as"):
        parse_steps(given)


def test_steps_and_names_that_are_not_there(photographs):
    with pytest.raises(
        SrgridError, match="unknown step 'blur'; choose one of imresize, luma-imresize, modcrop, pillow-bicubic"
    ):
        apply_steps(photographs["camera"], (("blur", 1),))
    with pytest.raises(SrgridError, match=r"degradations\.pillow: is built in"):
        degradations({"pillow": [{"modcrop": "scale"}]})
    with pytest.raises(SrgridError, match="unknown degradation 'blur'"):
        degrade.get_degradation("blur")
    halves = degrade.define("halves", [{"imresize": "1/2"}])
    with pytest.raises(SrgridError, match=r"the steps of halves make uint8 of shape \(256, 256\) from \(512, 512\) at"):
        halves.shrink(photographs["camera"], 4)


def test_the_table_of_protocols_in_the_config_names_degradations_that_are_there():
    assert {protocol.degradation for protocol in protocols().values()} <= DEGRADATIONS.keys()


def test_every_image_is_decoded_once(photo_dir, tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(images, "read", lambda path, read=images.read: decoded.append(path) or read(path))
    make_lr(photo_dir, tmp_path / "lr", 2)
    assert decoded == sorted(photo_dir.glob("*.png"))
