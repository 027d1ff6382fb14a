"""The weights in models/: what they say of themselves, that they work, and that the reference run used them."""

import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import srgrid.data
import srgrid.models
from srgrid.images import list_images, read
from srgrid.metrics import score
from srgrid.records import file_digest
from srgrid.report.published import published
from srgrid.resize import imresize, modcrop

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "models").glob("*.safetensors"))


def test_every_scale_has_the_model_and_its_control():
    assert {f.stem for f in FILES} >= {f"{name}_x{s}" for name in ("rcan-bam-s", "rcan-s") for s in (2, 3, 4)}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_file_says_how_it_came_to_be(file):
    made = srgrid.models.describe(file)["provenance"]
    record = json.loads(file.with_suffix(".json").read_text())
    assert file.stat().st_size < 1_000_000
    assert record["weights_sha256"] == file_digest(file)
    assert record["training"] == made
    assert record["licence"] == "Apache-2.0"
    assert record["measured"]["seconds"] > 60
    assert record["measured"]["hardware"]["cpu"]
    assert made["data"]["training_set"] == "BSDS400+SunHays80"
    assert made["steps"] == made["recipe"]["steps"]
    log = [json.loads(line) for line in (ROOT / "models/logs" / f"{file.stem}.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == made["steps"]
    assert log[-1]["psnr"] == pytest.approx(made["psnr"])


def test_what_a_file_was_started_from_is_on_record():
    records = [json.loads(path.read_text()) for path in sorted((ROOT / "models").rglob("*.json"))]
    known = {record["weights_sha256"] for record in records}
    started = [record["training"]["init"] for record in records if record["training"]["init"]]
    assert len(started) >= 4
    assert set(started) <= known


def test_the_control_had_the_same_training():
    for scale in (2, 3, 4):
        own, control = (
            srgrid.models.describe(ROOT / f"models/{name}_x{scale}.safetensors")["provenance"]
            for name in ("rcan-bam-s", "rcan-s")
        )
        assert (own["recipe"], own["data"], own["steps"]) == (control["recipe"], control["data"], control["steps"])


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_it_beats_bicubic_on_photographs_it_never_saw(file):
    name, scale = srgrid.models.describe(file)["name"], srgrid.models.describe(file)["config"]["scale"]
    model = srgrid.models.load(name, scale=scale)
    gains = []
    for row in srgrid.data.load("sample", scale=scale):
        hr, lr = (np.asarray(row[key].convert("RGB")) for key in ("hr", "lr"))
        gains.append(
            score(model.upscale(lr), hr, scale, "rgb8").psnr - score(imresize(lr, scale), hr, scale, "rgb8").psnr
        )
    assert len(gains) == 4
    assert min(gains) > 0
    assert np.mean(gains) > 0.7


def test_upscale_works_out_of_the_box(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "srgrid", "upscale", tmp_path / "photo.png", tmp_path / "big.png"]
    done = subprocess.run(
        [*map(str, command), "--model", "rcan-bam-s", "--scale", "4"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "big.png").size == (96, 80)


def test_the_tables_in_the_readmes_are_the_reference_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    tables = importlib.import_module("tables")
    shutil.copytree(ROOT / "models", tmp_path / "models")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.setattr(tables, "MODELS", tmp_path / "models")
    monkeypatch.setattr(tables, "README", tmp_path / "README.md")
    tables.main()
    for name in ("models/README.md", "README.md"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()
    rows = re.findall(r"^\| \S+ \| x\d \| .*\d\d\.\d\d/0\.\d{4} \|$", (ROOT / "README.md").read_text(), re.M)
    assert len(rows) == 2 * 13


def test_it_stands_above_the_cards_own_model_under_its_protocol():
    card = [cell for cell in published() if (cell.source, cell.method) == ("card", "rcan-bam")]
    assert len(card) == 4
    cells = _reference_cells()
    for cell in card:
        own = cells[cell.dataset, str(cell.scale), "rcan-bam-s", "super-image"]
        assert float(own["psnr"]) > cell.psnr
        assert float(own["ssim"]) > cell.ssim


def _reference_cells():
    with (ROOT / "results/published/grid.csv").open(newline="") as table:
        return {(r["dataset"], r["scale"], r["method"], r["protocol"]): r for r in csv.DictReader(table)}


@pytest.mark.mirror
@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_the_reference_runs_set5_scores_come_out_again(file, mirror):
    name, scale = srgrid.models.describe(file)["name"], srgrid.models.describe(file)["config"]["scale"]
    reference = _reference_cells()["Set5", str(scale), name, "rgb8"]
    model = srgrid.models.load(name, scale=scale)
    found = []
    for image in list_images(mirror / "Set5/HR"):
        hr = modcrop(read(image), scale)
        found.append(score(model.upscale(imresize(hr, 1 / scale), precision="fp32"), hr, scale, "rgb8"))
    psnr, ssim = np.mean(found, axis=0)
    assert psnr == pytest.approx(float(reference["psnr"]), abs=2e-3)
    assert ssim == pytest.approx(float(reference["ssim"]), abs=2e-5)
