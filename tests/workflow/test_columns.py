"""Columns of every kind: interpolators, finished SR images of another program, an ONNX file."""

import os
import shutil

import numpy as np
import pytest
from running import ROOT, bench, planned, read, run

from srgrid import images
from srgrid.data.fetch import fetch
from srgrid.files import read_manifest


def test_interpolators_and_a_folder_are_columns(tmp_path):
    """To the finished card, and the same by `bench`; a changed file makes its column again, and no other."""
    fetch("sample", tmp_path / "HR", None)
    for file in images.list_images(tmp_path / "HR"):
        hr = images.read(file)
        hr = hr[: hr.shape[0] // 2 * 2, : hr.shape[1] // 2 * 2]
        images.write(tmp_path / f"theirs/sample/x2/{file.stem}_SwinIR.png", np.maximum(hr, 1) - 1)
    changes = {
        "methods": ["bicubic", "lanczos", "bicubic-torch", "theirs"],
        "scales": [2],
        "protocols": ["rgb8", "super-image"],
        "sr": {"theirs": "theirs/{dataset}/x{scale}"},
        "audit": False,
        "figures": {"images": 1},
    }
    done = run(tmp_path, changes=changes)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results/tiny"
    scores = {(row["method"], row["protocol"]): float(row["psnr"]) for row in read(results / "grid.csv")}
    assert len(scores) == 8
    assert scores["theirs", "rgb8"] > 45 > scores["lanczos", "rgb8"] > 20
    words = ["lanczos", "bicubic-torch", "--sr", "theirs=theirs/{dataset}/x{scale}", "--dataset", "sample"]
    benched = bench(tmp_path, *words, "--scale", 2, "--protocol", "rgb8", "super-image")
    for name in ("scores.csv", "grid.csv", "intervals.csv"):
        assert (benched / name).read_bytes() == (results / name).read_bytes(), name
    made_by = read_manifest(results / "SR/theirs/given/sample/x2")["made_by"]
    assert (made_by["step"], made_by["sources"]["names"]) == ("sr", "NAME_SwinIR")
    card = (results / "model_card.md").read_text()
    assert "SR images given by hand; what made them is not recorded" in card
    assert "computed by Pillow's LANCZOS (a = 3), no training" in card
    assert "Not made by the code" not in card
    assert planned(tmp_path, changes=changes) == {}
    (tmp_path / "theirs/sample/x2/coffee_SwinIR.png").touch()
    again = planned(tmp_path, changes=changes)
    assert again["sr"] == 1
    assert again["score"] == 1
    assert not {"upscale", "lr", "fetch"} & set(again)


def test_costs_of_every_kind_of_column(finished, tmp_path):
    """Counted with every run; measured where the config asks, alone; no score changes by it."""
    counted = read(finished / "results/tiny/costs.csv")
    assert [(row["method"], row["scale"]) for row in counted] == [
        *(("bicubic", "2"), ("bicubic", "3")),
        *(("rcan-bam-xs", "2"), ("rcan-bam-xs", "3")),
    ]
    assert {row["seconds"] for row in counted} == {""}
    assert all(int(row["multiply_adds"]) > 1e9 for row in counted[2:])
    shutil.copytree(finished, tmp_path / "run")
    changes = {"costs": {"measure": True, "size": [24, 20], "warmup": 1, "repeats": 2, "baseline": "rcan-bam-xs"}}
    assert set(planned(tmp_path / "run", changes=changes)) - {"total", "all", "provenance"} == {"cost", "card"}
    done = run(tmp_path / "run", changes=changes)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "run/results/tiny"
    measured = read(results / "costs.csv")
    assert all(float(row["seconds"]) > 0 and row["device"] for row in measured)
    assert [row["score"] for row in measured] == ["", "", "7.38906", "7.38906"]
    assert "which has 7.389. Lower is better" in (results / "model_card.md").read_text()
    for name in ("grid.csv", "scores.csv", "intervals.csv"):
        assert (results / name).read_bytes() == (finished / "results/tiny" / name).read_bytes()


def test_an_onnx_file_is_a_column_and_another_onnxruntime_makes_it_again(tmp_path, monkeypatch):
    """To the finished card, which tells of the tiles that the config asks for."""
    pytest.importorskip("onnxruntime", reason="pip install srgrid[onnx]")
    pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(ROOT / "tests/models")
    import graphs

    graphs.onnx_file(tmp_path / "net_x2.onnx")
    changes = {
        "methods": ["bicubic", "mine"],
        "scales": [2],
        "protocols": ["rgb8"],
        "weights": {"mine": "net_x{scale}.onnx"},
        "upscale": {"tile": {"mine": 64}},
        "audit": False,
        "figures": {"images": 1},
    }
    done = run(tmp_path, changes=changes)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results/tiny"
    card = (results / "model_card.md").read_text()
    assert "computed in tiles of 64 with overlap 16: not the same as the whole image" in card
    assert "A network of another program, kept whole in an ONNX file." in card
    made_by = read_manifest(results / "SR/mine/matlab-8bit/sample/x2")["made_by"]
    assert made_by["config"]["read_by"].startswith("onnxruntime ")
    assert len(made_by["tiles"]) == len(list((results / "SR/mine/matlab-8bit/sample/x2").glob("*.png")))
    assert planned(tmp_path, changes=changes) == {}
    other = tmp_path / "packages/onnxruntime-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 99.0\n")
    path = os.pathsep.join([str(other.parent), os.environ.get("PYTHONPATH", "")])
    again = planned(tmp_path, changes=changes, PYTHONPATH=path)
    assert (again["upscale"], again["score"]) == (1, 1)
