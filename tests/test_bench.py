"""A table without a config: whole or not at all, in one command."""

import csv
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from srgrid import cli, images
from srgrid.columns import columns, rows
from srgrid.errors import SrgridError
from srgrid.metrics import score
from srgrid.records import TABLE_NAMES
from srgrid.resize import imresize, modcrop

NET = """
import numpy as np
import torch

class Net(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)

def enlarged(x, times):
    return torch.nn.functional.interpolate(x, scale_factor=times)

def good(scale):
    return Net(lambda x: enlarged(x, scale))

def not_finite(scale):
    return Net(lambda x: enlarged(x, scale) * float("nan"))

def too_large(scale):
    return Net(lambda x: enlarged(x, scale + 1))

def raises(scale):
    def answer(x):
        raise RuntimeError("no such layer")
    return Net(answer)

def stopped(scale):
    def answer(x):
        raise KeyboardInterrupt
    return Net(answer)
"""


@pytest.fixture
def place(photo_dir, tmp_path, monkeypatch):
    """A folder, the current one, with HR/, net.py and nothing in its temporary folder."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRGRID_MIRROR", raising=False)
    return tmp_path


def bench(monkeypatch, text):
    """The exit status of a command, run in this process."""
    monkeypatch.setattr(sys, "argv", ["srgrid", "bench", *shlex.split(text)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code or 0


def table(file):
    with Path(file).open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_table_of_ones_own(place, monkeypatch, capsys):
    """A network, an interpolator, a folder; the scores are those of the library, and the scratch folder is gone."""
    for file in images.list_images(place / "HR"):
        hr = images.read(file)
        images.write(place / f"SR/ours/x2/{file.stem}_Net.png", np.maximum(modcrop(hr, 2), 1) - 1)
    words = "net.py:good lanczos --sr theirs=SR/{dataset}/x{scale} --dataset ours=HR --scale 2 --out results/mine"
    assert bench(monkeypatch, words) == 0
    shown = capsys.readouterr()
    assert "names read as NAME_Net" in shown.err
    grid = {row["method"]: row for row in table("results/mine/grid.csv")}
    assert list(grid) == ["bicubic", "good", "lanczos", "theirs"]
    for name, row in grid.items():
        assert row["dataset"] == "ours"
        assert row["images"] == "4"
        line = next(line for line in shown.out.splitlines() if line.startswith(f"  {name} "))
        assert f"{float(row['psnr']):.2f}/{float(row['ssim']):.4f}" in line
        assert line.count("[") == (1 if name == "bicubic" else 2)
    scores = {(row["method"], row["image"]): float(row["psnr"]) for row in table("results/mine/scores.csv")}
    hr = images.read(place / "HR/coffee.png")
    lr = imresize(modcrop(hr, 2), 1 / 2)
    assert scores["bicubic", "coffee"] == pytest.approx(score(imresize(lr, 2), hr, 2).psnr, abs=1e-6)
    assert scores["good", "coffee"] == pytest.approx(score(lr.repeat(2, 0).repeat(2, 1), hr, 2).psnr, abs=1e-6)
    held = {file.name for file in (place / "results/mine").iterdir()}
    assert held == {*TABLE_NAMES, "tables.json", "provenance.json", "grid.tex", "grid_wide.csv", "differences.csv"}
    assert list((place / "tmp").iterdir()) == []


def test_several_sets_scales_and_protocols(place, monkeypatch, capsys):
    """Options take several words; a set that is declared for one scale is told of, not dropped in silence."""
    assert bench(monkeypatch, "--dataset HR/ b=HR --scale 2 3 --protocol rgb8 super-image --out out") == 0
    rows = [(r["dataset"], r["scale"], r["protocol"]) for r in table("out/grid.csv")]
    name = place.name
    assert rows == [(d, s, p) for d in (name, "b") for s in "23" for p in ("rgb8", "super-image")]
    assert capsys.readouterr().out.count(" under super-image, 4 images") == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("net.py:not_finite", "column not_finite, ours x2: LR/matlab/ours/x2/astronaut.png: the network's answer"),
        ("net.py:too_large", "column too_large, ours x2: net.py:too_large: its network answered"),
        ("net.py:raises", "no such layer"),
        ("net.py:nothing", "has no nothing"),
        ("lost.pth", "lost.pth: there is no such weights file"),
        ("rcan-bamm", "model 'rcan-bamm'"),
        ("rcan-bam", "no weights for scale 2"),
        ("m=MODELS/rcan-bam-s_x4.safetensors", "column m: MODELS/rcan-bam-s_x4.safetensors was made for scale 4"),
        (
            "--sr theirs=SMALL",
            "SR/theirs/given/ours/x2/astronaut.png against HR/ours/astronaut.png",
        ),
        ("--sr theirs=FEW", "has no SR image for coffee"),
        ("--sr theirs=TORN", "column theirs, ours x2: TORN/coffee.png"),
        ("--sr theirs=nowhere", "column theirs: nowhere: there is no such folder"),
        ("--protocol rgb9", "--protocol: unknown protocol 'rgb9'"),
        ("--metrics psnr,lpips", "--metrics: unknown metric 'lpips'"),
        ("--rgb-range x=2", "--rgb-range x=2: a range is 1 or 255"),
        ("--rgb-range x=1", "--rgb-range x: "),
        ("--precision fp8", "precision 'fp8'"),
        ("--mirror nowhere", "nowhere: there is no such folder"),
        ("a=lanczos", "under its own name; write lanczos"),
        ("net.py:good x=net.py:good good=lost.py:f", "lost.py"),
        ("net.py:good good=net.py:raises", "two have this name, net.py:good and good=net.py:raises"),
        ("net.py:good bicubic=net.py:good", "column bicubic: two have this name"),
    ],
)
def test_a_column_that_fails_leaves_no_rows_of_the_others(place, monkeypatch, capsys, words, said):
    (place / "MODELS").symlink_to(Path(__file__).parent.parent / "models")
    for file in images.list_images(place / "HR"):
        images.write(place / "SMALL" / file.name, images.read(file)[::2])
    shutil.copytree("HR", "FEW", ignore=lambda *_: ["coffee.png"])
    (shutil.copytree(place / "HR", place / "TORN") / "coffee.png").write_bytes(b"\x89PNG")
    assert bench(monkeypatch, f"{words} --dataset ours=HR --scale 2 --out out --card card") == 2
    shown = capsys.readouterr()
    assert said in shown.err.splitlines()[-1]
    assert shown.err.count("srgrid: error: ") == 1
    assert shown.out == ""
    assert not (place / "out").exists()
    assert not (place / "card").exists()
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.parametrize("words", ["--dataset Set6", "--dataset HR/ HR/", "--dataset x=nowhere", "--dataset -1=HR"])
def test_a_set_that_is_not_there(place, monkeypatch, capsys, words):
    assert bench(monkeypatch, f"lanczos {words} --scale 2 --out out") == 2
    assert "--dataset" in capsys.readouterr().err
    assert not (place / "out").exists()


def test_wrong_images_are_refused_by_their_pixels(place, monkeypatch, capsys):
    """Under the name of a known set, a folder has to hold that set."""
    assert bench(monkeypatch, "lanczos --dataset Set5=HR --scale 2 --out out") == 2
    assert "does not hold the benchmark's 5 images" in capsys.readouterr().err


def test_stopped_in_the_middle(place, monkeypatch, capsys):
    assert bench(monkeypatch, "lanczos net.py:stopped --dataset ours=HR --scale 2 --out out") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "srgrid: interrupted; nothing half-written is left"
    assert not (place / "out").exists()
    assert list((place / "tmp").iterdir()) == []


def test_what_is_there_stays_if_a_later_one_fails(place, monkeypatch):
    assert bench(monkeypatch, "lanczos --dataset ours=HR --scale 2 --out out") == 0
    before = {file: file.read_bytes() for file in (place / "out").iterdir()}
    assert bench(monkeypatch, "net.py:raises --dataset ours=HR --scale 2 --out out") == 2
    assert {file: file.read_bytes() for file in (place / "out").iterdir()} == before
    assert bench(monkeypatch, "nearest --dataset ours=HR --scale 2 --out out") == 0
    assert [row["method"] for row in table("out/grid.csv")] == ["bicubic", "nearest"]


def test_a_full_disk_leaves_no_new_folder(place, monkeypatch, capsys):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("srgrid.bench.shutil.copyfile", full)
    assert bench(monkeypatch, "lanczos --dataset ours=HR --scale 2 --out out") == 2
    assert "out/grid.tex: No space left on device; free some space" in capsys.readouterr().err
    assert not (place / "out").exists()


@pytest.mark.parametrize("target", ["HR", "net.py"])
def test_tables_are_not_written_among_what_is_read(place, monkeypatch, capsys, target):
    assert bench(monkeypatch, f"lanczos --dataset ours=HR --scale 2 --out {target}") == 2
    assert target in capsys.readouterr().err


def test_rows_for_a_model_card(place, monkeypatch, capsys):
    """The Hub's front matter and a table; nothing else is printed."""
    assert bench(monkeypatch, "net.py:good --dataset ours=HR --scale 2 --markdown --out out") == 0
    head, front, body = capsys.readouterr().out.split("---\n", 2)
    assert head == ""
    (index,) = yaml.safe_load(front)["model-index"]
    assert index["name"] == "good"
    (row,) = [row for row in table("out/grid.csv") if row["method"] == "good"]
    assert index["results"][0]["metrics"][0]["value"] == pytest.approx(float(row["psnr"]), abs=1e-4)
    assert "| ours | x2 | 4 |" in body
    assert f"{float(row['psnr']):.2f}" in body


def test_rows_for_a_paper(place, monkeypatch, capsys):
    assert bench(monkeypatch, "net.py:good --dataset ours=HR --scale 2 --latex --out out") == 0
    shown = capsys.readouterr().out
    assert shown == (place / "out/grid.tex").read_text()
    assert r"Dataset & Scale & bicubic & good \\" in shown


def test_the_card(place, monkeypatch):
    """With figures, and the command that makes it again."""
    command = "net.py:good --dataset ours=HR --scale 2 --protocol super-image --card card"
    assert bench(monkeypatch, command) == 0
    page = (place / "card/model_card.md").read_text()
    assert f"srgrid bench {command}" in page
    assert "good on ours" in page
    assert "made by the Python function net.py:good" in page
    for name in ("model_card.html", "figures/ours_x2.png", "previews/ours_x2/previews.json", "grid.csv"):
        assert (place / "card" / name).stat().st_size > 0
    assert not (place / "card/SR").exists()


@pytest.mark.mirror
def test_published_values_stand_beside_rows_of_their_protocol(mirror, place, monkeypatch, capsys):
    words = f"--dataset Set5 --scale 4 --protocol rgb8 super-image --mirror {mirror}"
    assert bench(monkeypatch, words) == 0
    first, second, _ = capsys.readouterr().out.split("\n\n")
    assert "28.43/0.8111" in first
    assert [line.split("  ")[1] for line in first.splitlines()[2:]] == ["bicubic, RCAN paper", "rcan, RCAN paper"]
    assert [line.split("  ")[1] for line in second.splitlines()[2:]] == ["rcan-bam, card"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("rcan-bam-s", "rcan-bam-s"),
        ("lanczos", "lanczos"),
        ("net.py:good", "good"),
        ("net.py:good@RLFN_x2.pth", "good"),
        ("RLFN_x2.pth", "RLFN"),
        ("RLFN_x{scale}.pth", "RLFN"),
        ("RCAN_BIX2.pth", "RCAN_BIX2"),
        ("theirs/pytorch_model_2x.pt", "theirs"),
        ("theirs", "theirs"),
        ("my model (2).pth", "my-model-2-"),
        ("x=RLFN_x2.pth", "x"),
        ("lr=0.1_x2.pth", "lr-0.1"),
    ],
)
def test_the_name_of_a_column(place, given, name):
    for file in ("RLFN_x2.pth", "RCAN_BIX2.pth", "theirs/pytorch_model_2x.pt", "my model (2).pth", "lr=0.1_x2.pth"):
        (place / file).parent.mkdir(exist_ok=True)
        (place / file).touch()
    assert [one.name for one in columns([given], {}, [2])] == ["bicubic", name]


def test_a_hub_id_is_a_column(place, monkeypatch):
    def fetch(hub_id, scale):
        assert hub_id == "eugenesiow/rcan-bam"
        return place / f"snapshot/pytorch_model_{scale}x.pt", None

    monkeypatch.setattr("srgrid.models.hub.fetch", fetch)
    _, column = columns(["eugenesiow/rcan-bam"], {}, [2, 4])
    assert (column.name, column.weights) == ("rcan-bam", str(place / "snapshot"))


def test_names_of_sets(place):
    (place / "photos/HR").mkdir(parents=True)
    assert rows(["Set5", "photos/HR", "./HR", "x=HR"]) == {
        "Set5": None,
        "photos": Path("photos/HR"),
        place.name: Path("HR"),
        "x": Path("HR"),
    }
    with pytest.raises(SrgridError, match="is there twice"):
        rows(["Set5", "Set5"])


def test_a_table_loads_neither_plots_nor_templates_nor_snakemake(place):
    """They would take a second or two."""
    code = (
        "import sys; from srgrid.cli import app;"
        "app(['bench', 'rcan-bam-s', '--dataset', 'ours=HR', '--scale', '2'], standalone_mode=False);"
        "sys.exit(', '.join({'matplotlib', 'jinja2', 'snakemake', 'torch._dynamo'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "rcan-bam-s" in done.stdout
    assert "/tmp" not in done.stderr
