"""The card of one model of a run, with the Hub's forms of its scores and its weights; and the card of saved weights."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import ModelCard, parse_eval_result_entries

import srgrid.models
from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.report.card import render_markdown
from srgrid.report.cardata import gather
from srgrid.report.cardcheck import check_card
from srgrid.report.onemodel import write_model
from srgrid.report.tables import recorded_grid

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results/published"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        write_model(PUBLISHED, "rcan-bam-s", out)
    return out


def test_the_hub_reads_one_model_of_the_card_and_every_number_is_the_runs(folder):
    card = ModelCard.load(folder / "README.md")
    grid = recorded_grid(PUBLISHED / "grid.csv")
    own = grid[(grid["method"] == "rcan-bam-s") & (grid["protocol"] == "rgb8")]
    assert card.data.model_name == "rcan-bam-s"
    assert len(card.data.eval_results) == 2 * len(own)
    assert card.data.license == "apache-2.0"
    checked = check_card(folder / "README.md", PUBLISHED)
    assert checked.compared > 300
    assert (checked.wrong, checked.beside) == ((), ())


def test_eval_results_are_read_by_the_hubs_own_classes(folder):
    files = sorted((folder / ".eval_results").glob("*.yaml"))
    assert [file.stem for file in files] == ["bsd100", "set14", "set5", "urban100"]
    entries = [entry for file in files for entry in parse_eval_result_entries(yaml.safe_load(file.read_text()))]
    assert len(entries) == len({(entry.dataset_id, entry.task_id) for entry in entries}) == 4 * 3 * 2
    found = {(entry.dataset_id, entry.task_id): entry for entry in entries}
    entry = found["eugenesiow/Set5", "bicubic_x4_psnr"]
    grid = recorded_grid(PUBLISHED / "grid.csv").set_index(["dataset", "scale", "method", "protocol"])
    assert entry.value == pytest.approx(grid.loc[("Set5", 4, "rcan-bam-s", "rgb8"), "psnr"], abs=1e-4)
    assert entry.notes.startswith("PSNR, dB under the protocol rgb8; 5 images")


def test_what_the_card_tells_to_type_loads_these_weights(folder, monkeypatch):
    text = (folder / "README.md").read_text()
    assert str(ROOT) not in text
    assert str(folder) not in text
    commands = re.findall(r"^srgrid upscale .* --model (\S+) --scale (\d)$", text, re.M)
    assert commands == [(".", "2"), (".", "3"), (".", "4")]
    monkeypatch.chdir(folder)
    for place, scale in commands:
        network = srgrid.models.load(place, scale=int(scale))
        assert network.sha256[:16] in text
        assert f"{network.parameters:,}" in text
    assert "training set: BSDS400+SunHays80" in text
    records = [json.loads((ROOT / f"models/rcan-bam-s_x{scale}.json").read_text()) for scale in (2, 3, 4)]
    names = {one["weights_sha256"]: f"rcan-bam-s x{one['training']['config']['scale']}" for one in records}
    for init in (one["training"]["init"] for one in records):
        assert f"started from: {names.get(init, f'weights {init[:12]}')}" in text


def test_weights_that_are_not_here_are_not_promised(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = write_model(PUBLISHED, "rcan-s", tmp_path / "out")
    text = files["README.md"].read_text()
    assert not list((tmp_path / "out").glob("*.safetensors"))
    assert "weights not copied: models/rcan-s_x2.safetensors is not here" in capsys.readouterr().err
    assert "The weights are not beside this card" in text
    assert "--model rcan-s_x2.safetensors --scale 2" in text


def test_what_has_no_card_of_its_own_is_refused(tmp_path):
    with pytest.raises(SrgridError, match="has no method 'edsr'; it has bicubic"):
        write_model(PUBLISHED, "edsr", tmp_path)
    with pytest.raises(SrgridError, match="no weights of bicubic on record"):
        write_model(PUBLISHED, "bicubic", tmp_path)
    for options in (["--for", "rcan-s"], ["--out", "x"], ["--pr"], ["--for", "rcan-s", "--out", "x", "--check", "y"]):
        done = CliRunner().invoke(app, ["card", str(PUBLISHED), *options])
        assert "--for goes with --out or --push" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_comparison_has_no_model_index():
    front = yaml.safe_load(render_markdown(gather(PUBLISHED)).split("---\n")[1])
    assert "model-index" not in front
    assert front["metrics"] == ["psnr", "ssim"]


def test_saved_weights_have_a_card_of_what_is_on_record(tmp_path):
    network = srgrid.models.load("rcan-bam-s", scale=4)
    network.save_pretrained(tmp_path / "mine")
    text = (tmp_path / "mine/README.md").read_text()
    assert ModelCard.load(tmp_path / "mine/README.md").data.license == "apache-2.0"
    assert "# rcan-bam-s x4" in text
    assert "--model . --scale 4" in text
    assert f"steps: {network.provenance['steps']}" in text
    assert "No scores are on record here." in text
    assert str(tmp_path) not in text
