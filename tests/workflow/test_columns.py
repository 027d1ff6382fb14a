"""Columns that no network makes: interpolators, and finished SR images of another program."""

import numpy as np
from running import bench, planned, read, run

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
    assert again["score"] == 2
    assert not {"upscale", "lr", "fetch"} & set(again)
