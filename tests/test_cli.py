"""The command line as a user meets it: real processes, exit statuses, messages without tracebacks."""

import csv
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from srgrid import images
from srgrid.files import read_manifest
from srgrid.metrics import score
from srgrid.resize import imresize, modcrop


def srgrid(*arguments, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-m", "srgrid", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        timeout=300,
    )


def refused(done, *words):
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("srgrid: error: ")
    for word in words:
        assert word in message


@pytest.fixture
def lr_dir(photo_dir):
    done = srgrid("lr", photo_dir, photo_dir.parent / "LR", "--scale", 3)
    assert done.returncode == 0, done.stderr
    return photo_dir.parent / "LR"


def test_lr_writes_the_exact_images_and_a_manifest(photo_dir, lr_dir):
    manifest = read_manifest(lr_dir)
    assert len(manifest["files"]) == 4
    for name, entry in manifest["files"].items():
        expected = imresize(modcrop(images.read(photo_dir / name), 3), 1 / 3)
        assert np.array_equal(images.read(lr_dir / name), expected)
        assert entry == images.describe(expected)


def test_upscale_and_score_bicubic(photo_dir, lr_dir, tmp_path):
    assert srgrid("upscale", lr_dir, tmp_path / "SR", "--model", "bicubic", "--scale", 3).returncode == 0
    done = srgrid("score", tmp_path / "SR", photo_dir, "--scale", 3, "--out", tmp_path / "s.csv", "--mean")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = {row["image"]: (float(row["psnr"]), float(row["ssim"])) for row in csv.DictReader(file)}
    *names, last = rows
    assert last == "mean"
    assert srgrid("score", tmp_path / "SR", photo_dir, "--scale", 3, "--out", tmp_path / "images.csv").returncode == 0
    whole = (tmp_path / "s.csv").read_text().splitlines()
    assert (tmp_path / "images.csv").read_text().splitlines() == whole[:-1]
    for name in names:
        hr = images.read(photo_dir / f"{name}.png")
        expected = score(imresize(images.read(lr_dir / f"{name}.png"), 3), hr, 3)
        assert rows[name] == pytest.approx(expected, abs=1e-6)
    assert rows["mean"] == pytest.approx(np.mean([rows[name] for name in names], axis=0), abs=1e-6)
    assert f"{rows['mean'][0]:.4f}" in done.stdout


def test_two_files_are_scored_whatever_their_names(photo_dir, lr_dir, tmp_path):
    assert srgrid("upscale", lr_dir / "coffee.png", tmp_path / "x.png", "-s", 3, "--model", "bicubic").returncode == 0
    done = srgrid("score", tmp_path / "x.png", photo_dir / "coffee.png", "--scale", 3, "--out", tmp_path / "s.csv")
    expected = score(images.read(tmp_path / "x.png"), images.read(photo_dir / "coffee.png"), 3)
    assert done.stdout.split()[:2] == ["coffee", f"{expected.psnr:.4f}"]
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == [f"coffee,{expected.psnr:.6f},{expected.ssim:.8f}"]
    refused(srgrid("score", tmp_path / "x.png", photo_dir, "--scale", 3), "is a folder", "two folders, or two image")


def test_score_refuses_what_it_cannot_match(photo_dir, tmp_path):
    other = shutil.copytree(photo_dir, tmp_path / "other")
    (other / "camera.png").rename(other / "kamera.png")
    refused(srgrid("score", other, photo_dir, "--scale", 2), "no SR image for camera", str(other))
    for file in list(other.glob("*.png")):
        file.rename(file.with_name("x_" + file.name))
    refused(srgrid("score", other, photo_dir, "--scale", 2, "--out", tmp_path / "s.csv"), "no file names match")
    assert not (tmp_path / "s.csv").exists()


def test_score_names_the_image_of_another_size(photo_dir, tmp_path):
    other = shutil.copytree(photo_dir, tmp_path / "other")
    images.write(other / "coffee.png", images.read(other / "coffee.png")[:-1])
    refused(srgrid("score", other, photo_dir, "--scale", 2), "coffee.png", "not the same image")
    refused(srgrid("score", photo_dir, photo_dir, "--scale", 2, "--protocol", "rgb9"), "'rgb9'", "luma8")


def test_a_damaged_image_leaves_nothing_half_written(photo_dir, tmp_path):
    file = photo_dir / "coffee.png"
    file.write_bytes(file.read_bytes()[:1000])
    refused(srgrid("lr", photo_dir, tmp_path / "LR", "--scale", 2), "coffee.png", "truncated")
    assert not (tmp_path / "LR").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["HR"]
    refused(srgrid("lr", tmp_path / "nowhere", tmp_path / "LR", "--scale", 2), "nowhere", "no such folder")


@pytest.mark.parametrize("output", ["SR", "sr.png"])
def test_upscale_names_an_input_that_is_not_there_before_the_output(tmp_path, output):
    """A folder that was not there was taken for an image, and the output's name for a wrong one."""
    done = srgrid("upscale", tmp_path / "LR", tmp_path / output, "--model", "bicubic", "--scale", 4)
    refused(done, "LR: there is no such image file or folder")


def test_upscale_refuses_unknown_models_and_wrong_scales(lr_dir, tmp_path):
    refused(srgrid("upscale", lr_dir, tmp_path / "SR", "--model", "rcam", "--scale", 3), "rcam")
    (tmp_path / "torn.safetensors").write_bytes(b"not weights")
    refused(srgrid("upscale", lr_dir, tmp_path / "SR", "--model", tmp_path / "torn.safetensors", "--scale", 3), "torn")
    assert not (tmp_path / "SR").exists()


def test_usage_errors_and_version():
    assert srgrid("lr").returncode == 2
    assert "Traceback" not in srgrid("score", "a", "b").stderr
    assert srgrid("--version").stdout.startswith("srgrid ")


def test_light_imports_stay_light():
    code = (
        "import sys, srgrid.resize, srgrid.metrics, srgrid.data, srgrid.degrade, srgrid.scoring, srgrid.report;"
        "sys.exit('torch' in sys.modules or 'datasets' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_help_text_imports_nothing_heavy():
    """`srgrid score --help` is to take less than 0.2 s: no array package, no YAML, no validation."""
    code = (
        "import sys; from srgrid.cli import app; app(['score', '--help'], standalone_mode=False);"
        "heavy = {'numpy', 'PIL', 'yaml', 'jsonschema', 'pydantic', 'rich', 'torch', 'logging', 'scipy', 'pandas'};"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Score SR images against their originals" in done.stdout


def test_ctrl_c_says_so(tmp_path):
    code = "from srgrid import degrade, cli\ndef stop(*_): raise KeyboardInterrupt\ndegrade.make_lr = stop\ncli.main()"
    words = [sys.executable, "-c", code, "lr", str(tmp_path), str(tmp_path / "LR"), "--scale", "2"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.strip() == "srgrid: interrupted; nothing half-written is left"
