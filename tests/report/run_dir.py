"""A small, real run directory: photographs, LR images by imresize, bicubic, and a stand-in for a model."""

import json
from pathlib import Path

import numpy as np
from skimage import data

from srgrid import images
from srgrid.metrics import score
from srgrid.report.figures import figure
from srgrid.report.grid import collect, grid
from srgrid.report.intervals import intervals
from srgrid.report.previews import previews
from srgrid.resize import imresize, modcrop
from srgrid.scoring import Row, write_rows

PROTOCOLS = ("rgb8", "luma8")
MODEL = "rcan-bam-s"
NAMES = ("astronaut", "chelsea", "coffee", "camera")


def make_run(
    folder: Path, dataset: str = "photos", names: tuple[str, ...] = NAMES, scales: tuple[int, ...] = (2, 4)
) -> Path:
    """Write scores, grid, intervals, figures, previews, provenance and a training log; return the run directory.

    The model sees a part of HR, so that it gains on most images; on the last one it is bicubic blurred: a loss.
    It has no x4 of the luma8 protocol: a missing cell.
    """
    photos = [data.astronaut(), data.chelsea(), data.coffee(), data.camera()]
    parts = []
    for scale in scales:
        for name, photo in zip(names, photos, strict=True):
            hr = modcrop(photo[60:192, 100:244], scale)
            bicubic = imresize(imresize(hr, 1 / scale), scale)
            mixed = 0.5 * hr + 0.5 * bicubic if name != names[-1] else imresize(imresize(bicubic, 0.5), 2)
            srs = {"bicubic": bicubic, MODEL: np.floor(mixed + 0.5).astype(np.uint8)}
            images.write(folder / "HR" / f"{name}.png", photo[60:192, 100:244])
            for method, sr in srs.items():
                images.write(folder / "SR" / method / f"x{scale}" / f"{name}.png", sr)
                for protocol in PROTOCOLS:
                    if (method, scale, protocol) == (MODEL, 4, "luma8"):
                        continue
                    part = folder / "scores" / f"{protocol}_x{scale}_{method}_{len(parts)}.csv"
                    row = Row(name, *score(sr, hr, scale, protocol))
                    write_rows(part, [row], dataset=dataset, scale=scale, method=method, protocol=protocol)
                    parts.append(part)
    order = {"dataset": [dataset], "scale": list(scales), "method": ["bicubic", MODEL], "protocol": list(PROTOCOLS)}
    write_tables(folder, parts, order)
    for scale in scales:
        draw(folder, dataset, scale)
    write_provenance(folder, order)
    return folder


def write_tables(folder: Path, parts: list[Path], order: dict[str, list[object]]) -> None:
    collect(parts, folder / "scores.csv", order)
    grid(folder / "scores.csv", folder / "grid.csv")
    intervals(folder / "scores.csv", folder / "intervals.csv")


def draw(folder: Path, dataset: str, scale: int) -> None:
    srs = {method: folder / "SR" / method / f"x{scale}" for method in ("bicubic", MODEL)}
    cell = {"dataset": dataset, "scale": scale, "protocol": "rgb8"}
    files = {f"out_{kind}": folder / "figures" / f"x{scale}.{kind}" for kind in ("png", "pdf", "json")}
    figure(folder / "scores.csv", folder / "HR", srs, **cell, **files)
    previews(folder / "scores.csv", folder / "HR", srs, **cell, out_dir=folder / "previews" / f"x{scale}", count=4)


def write_provenance(folder: Path, order: dict[str, list[object]]) -> None:
    keys = {"datasets": "dataset", "scales": "scale", "methods": "method", "protocols": "protocol"}
    config = {key: order[column] for key, column in keys.items()} | {
        "run": "test",
        "train": {"images": ["sample-train"]},
    }
    training = {
        "provenance": {
            "steps": 600,
            "recipe": {"batch": 8, "patch": 24, "lr": 0.004, "seed": 0},
            "data": {"images": 5, "sha256": "d" * 64},
        },
        "parameters": 423_000,
        "measured": {"seconds": 61.5, "device": "cpu"},
    }
    record = {
        "command": "snakemake --cores 2 --configfile config/test.yaml",
        "commit": "0" * 40,
        "config": config,
        "missing": [{"method": MODEL, "scale": 4, "protocol": "luma8", "reason": "the x4 weights were lost at sea"}],
        "weights": {f"{MODEL}_x{s}.safetensors": {**training, "sha256": f"{s + 16:x}" * 32} for s in order["scale"]},
    }
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    log = folder / "state" / f"{MODEL}_x2" / "log.jsonl"
    log.parent.mkdir(parents=True)
    lines = [json.dumps({"step": k, "loss": 1 / (k + 1), "seconds": k * 0.1}) for k in range(1, 1000)]
    log.write_text("\n".join([*lines, '{"step": 1000, "lo']), encoding="utf-8")
