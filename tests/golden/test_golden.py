"""The whole line on the embedded `sample` images, from photographs to tables and figure, against files made before.

SR of the two columns is bicubic, so that every processor gives the same bytes. `SRGRID_GOLDEN=write` makes the files
anew: look at the difference before committing it, for every number that moves is one that others have printed.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgrid import cli

HERE = Path(__file__).parent / "sample"
DATASET = "sample"
SCALES, PROTOCOLS = (2, 4), ("rgb8", "luma8", "super-image")
LR = {"rgb8": "matlab", "luma8": "matlab", "super-image": "pillow-uncropped"}
COLUMNS = {"bicubic": "matlab", "pillow": "pillow"}  # method -> the kernel that enlarges


def srgrid(*words):
    """Run one command in this process."""
    before, sys.argv = sys.argv, ["srgrid", *map(str, words)]
    try:
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    finally:
        sys.argv = before
    assert stopped.value.code in (0, None), words


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run: HR, LR, SR, scores, tables, figure."""
    room = tmp_path_factory.mktemp("golden")
    srgrid("data", "fetch", DATASET, room / "HR")
    for scale in SCALES:
        for degradation in dict.fromkeys(LR.values()):
            srgrid("lr", room / "HR", room / f"LR/{degradation}/x{scale}", "-s", scale, "--degradation", degradation)
        for protocol in PROTOCOLS:
            for method, kernel in COLUMNS.items():
                score(room, scale, protocol, method, kernel)
    order = {"dataset": [DATASET], "scale": SCALES, "method": list(COLUMNS), "protocol": PROTOCOLS}
    parts = [file for protocol in PROTOCOLS for file in sorted((room / "scores" / protocol).glob("*.csv"))]
    srgrid("grid", *parts, "--out-dir", room / "run", "--order", json.dumps(order))
    chosen = ["--dataset", DATASET, "-s", 4, "--protocol", "rgb8"]
    folders = [word for method in COLUMNS for word in ("--sr", f"{method}={sr_dir(room, 4, 'rgb8', method)}")]
    figure, previews = room / "run/figures/sample_x4.png", room / "run/previews/sample_x4"
    srgrid("figure", room / "run/scores.csv", room / "HR", figure, *chosen, *folders, "--previews", previews)
    srgrid("provenance", room / "run/provenance.json", "--input", room / "HR")
    srgrid("card", room / "run")
    return room


def sr_dir(room, scale, protocol, method):
    return room / "SR" / method / LR[protocol] / f"x{scale}"


def score(room, scale, protocol, method, kernel):
    kernel = "pillow" if protocol == "super-image" else kernel
    sr = sr_dir(room, scale, protocol, method)
    if not sr.exists():
        lr = room / f"LR/{LR[protocol]}/x{scale}"
        srgrid("upscale", lr, sr, "--model", "bicubic", "-s", scale, "--degradation", kernel)
    words = ("--dataset", DATASET, "-s", scale, "--method", method, "--cell", f"{protocol}={sr}")
    srgrid("cells", room / "HR", room / "scores", *words)


def pixels(file):
    with Image.open(file) as image:
        array = np.asarray(image.convert("RGB"))
    return f"{array.shape[1]}x{array.shape[0]} {hashlib.sha256(array.tobytes()).hexdigest()[:32]}"


def same(name, text):
    file = HERE / name
    if os.environ.get("SRGRID_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", ["scores.csv", "grid.csv", "intervals.csv", "grid.tex", "grid_wide.csv"])
def test_the_tables_are_the_same_bytes(made, name):
    same(name, (made / "run" / name).read_text())


def test_lr_and_sr_images_are_the_same_pixels(made):
    files = sorted(file for folder in ("LR", "SR") for file in (made / folder).rglob("*.png"))
    assert len(files) == 4 * len(SCALES) * (2 + 2 * len(COLUMNS))
    same("images.txt", "".join(f"{file.relative_to(made)} {pixels(file)}\n" for file in files))


def test_the_figure_and_the_previews_are_the_same_pixels(made):
    figure = made / "run/figures/sample_x4.png"
    files = [figure, *sorted((made / "run/previews/sample_x4").glob("*.webp"))]
    same("figure.txt", "".join(f"{file.name} {pixels(file)}\n" for file in files))


def test_twelve_steps_of_training_lead_to_the_same_weights(tmp_path):
    """To a tolerance: processors add up in another order."""
    from safetensors.numpy import load_file

    srgrid("data", "fetch", "sample-train", tmp_path / "HR")
    srgrid("pack", tmp_path / "HR", "-s", 2, "--out", tmp_path / "x2.srpack")
    out = tmp_path / "rcan-bam-xs_x2.safetensors"
    words = ("--pack", tmp_path / "x2.srpack", "--out", out, "--state", tmp_path / "state", "--recipe", "demo")
    srgrid("train", "--model", "rcan-bam-xs", "-s", 2, *words, "--steps", 12)
    found = {name: float(np.abs(tensor).mean()) for name, tensor in sorted(load_file(out).items())}
    file = HERE / "weights.json"
    if os.environ.get("SRGRID_GOLDEN") == "write":
        file.write_text(json.dumps(found, indent=1) + "\n")
    kept = json.loads(file.read_text())
    assert list(found) == list(kept)
    np.testing.assert_allclose(list(found.values()), list(kept.values()), rtol=1e-3, atol=1e-7)
