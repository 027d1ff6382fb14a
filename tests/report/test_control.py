"""The control: pairs are found by what their weights record, differences are paired and signed."""

import dataclasses
import shutil

import pandas as pd
import pytest
from run_dir import edit_record, write_tables

from srgrid.models.history import read_model
from srgrid.report.card import render_html, render_markdown
from srgrid.report.cardata import gather
from srgrid.report.control import controls

CONTROL = "rcan-s"
SHAPE = {"groups": 4, "blocks": 4, "features": 32, "scale": 2}


def model(method, attention, seed=0, **shape):
    record = {"method": method, "scale": 2, "file": f"{method}_x2.safetensors", "parameters": 1000}
    config = {**SHAPE, "attention": attention, **shape}
    return read_model({**record, "config": config, "provenance": {"recipe": {"seed": seed}}})


@pytest.fixture
def with_control(run):
    """The run's data with a second model whose every score is 0.25 dB lower, but one that is 0.75 dB higher."""
    data = gather(run)
    own = data.scores[(data.scores["method"] == "rcan-bam-s") & (data.scores["scale"] == 2)]
    lower = own.assign(method=CONTROL, psnr=own["psnr"] - 0.25, ssim=own["ssim"] - 0.001)
    lower.loc[lower["image"] == "camera", "psnr"] += 1
    scores = pd.concat([data.scores, lower.sample(frac=1, random_state=0)], ignore_index=True)
    models = [model("rcan-bam-s", "bam"), model(CONTROL, "ca")]
    return dataclasses.replace(data, scores=scores, models=models)


def test_differences_are_paired(with_control):
    (pair,) = controls(with_control)
    assert (pair.method, pair.control, pair.same_training) == ("rcan-bam-s", CONTROL, True)
    (row,) = pair.rows  # x2 alone: the pair has no weights of x4
    assert (row.dataset, row.scale, row.images, row.values) == ("photos", 2, 4, ["+0.000", "+0.00100"])
    low, high = (float(end) for end in row.interval.split(" to "))
    assert low < 0 < high


@pytest.mark.parametrize(
    ("change", "pairs"),
    [
        ({"seed": 1}, 1),  # another training: shown, and said
        ({"blocks": 5}, 0),
        ({"attention": "bam"}, 0),
    ],
)
def test_what_is_no_control(with_control, change, pairs):
    models = [with_control.models[0], model(CONTROL, **{"attention": "ca", **change})]
    found = controls(dataclasses.replace(with_control, models=models))
    assert len(found) == pairs
    assert not any(pair.same_training for pair in found)


def test_the_card_shows_it(run, with_control, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("HR", "SR"))
    write_tables(tmp_path / "run", with_control.scores.to_csv(index=False))
    edit_record(tmp_path / "run/provenance.json", lambda record: record.update(outputs={}, config={}))
    for folder in ("figures", "previews"):
        shutil.rmtree(tmp_path / "run" / folder)
    data = dataclasses.replace(gather(tmp_path / "run"), models=with_control.models)
    for text in (render_markdown(data), render_html(data)):
        assert "Control: rcan-bam-s minus rcan-s" in text
        assert "Recipe and training data are the same." in text
    assert "Control:" not in render_markdown(gather(run))
