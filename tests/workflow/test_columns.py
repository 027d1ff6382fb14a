"""Columns of every kind: interpolators, finished SR images of another program, an ONNX file."""

import os

import numpy as np
import pytest
from running import ROOT, planned, read, run

from srgrid import images
from srgrid.data.fetch import fetch
from srgrid.files import read_manifest


def test_interpolators_and_a_folder_are_columns(tmp_path):
    """To the finished card; a changed file of the folder makes its column again, and no other."""
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
    assert again["score"] == 2
    assert not {"upscale", "lr", "fetch"} & set(again)


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
