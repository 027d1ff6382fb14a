"""The card speaks of what ran: networks, SR images given by hand, licences, papers, degradations, own words."""

import json
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from run_dir import MODEL, draw, edit_record, write_tables

from srgrid.degrade import DEGRADATIONS
from srgrid.errors import SrgridError
from srgrid.models.history import read_model
from srgrid.networks import ARCHITECTURES, RcanConfig
from srgrid.report import card as cards
from srgrid.report import origins, views
from srgrid.report.card import build_card, render_html, render_markdown
from srgrid.report.cardata import gather
from srgrid.report.selection import Wanted


def columns(run: Path, out: Path, weights: dict[str, dict[str, object]], made: dict[str, object]) -> Path:
    """A copy of a run whose model's scores are those of other columns: what their records say, and their manifests."""
    copy = shutil.copytree(run, out, ignore=shutil.ignore_patterns("HR", "SR", "figures", "previews", "state"))
    rows = (copy / "scores.csv").read_text().splitlines()
    own = [row for row in rows[1:] if MODEL in row and ",4," not in row]
    kept = [row for row in rows if MODEL not in row and ",4," not in row]
    named = dict.fromkeys([*weights, *made])
    named.pop("bicubic", None)
    scores = [*kept, *(row.replace(MODEL, name) for name in named for row in own)]
    protocols = json.loads((run / "tables.json").read_text())["protocols"]
    methods = {"bicubic x2": {"model": "bicubic"}, **{f"{name} x2": entry for name, entry in made.items()}}
    write_tables(copy, "\n".join([*scores, ""]), methods=methods, protocols=protocols)
    records = {
        f"{name} x2": {"method": name, "scale": 2, "file": f"{name}.pth", **fields} for name, fields in weights.items()
    }
    edit_record(copy / "provenance.json", lambda r: r.update(outputs={}, config={}, missing=[], weights=records))
    return copy


def texts(run: Path) -> list[str]:
    data = gather(run)
    return [render_markdown(data), render_html(data).replace("&#39;", "'")]


def head(run: Path) -> ModelCard:
    return ModelCard(render_markdown(gather(run)))


def test_two_foreign_networks_are_described_by_their_records(run: Path, tmp_path: Path) -> None:
    weights = {
        "swift": {"about": "SwiftNet, a network of waves.", "citations": ["agustsson2017div2k", "own2026"]},
        "slow": {"about": "SlowNet, a network of dots."},
    }
    made = {"model": "x", "weights_sha256": "1" * 64, "precision": "bf16", "ensemble": True}
    copy = columns(run, tmp_path / "copy", weights, dict.fromkeys(weights, made))
    edit_record(copy / "tables.json", lambda r: r.update(tiles={"slow x2": [{"side": 64, "overlap": 16}]}))
    for text in texts(copy):
        assert (
            "slow.pth (training set not recorded); upscaled in bf16; x8 self-ensemble; computed in tiles of 64 with"
            " overlap 16: not the same as the whole image."
        ) in text
        assert text.count("computed in tiles") == 1
        assert "SwiftNet, a network of waves. Papers: Agustsson and Timofte 2017, own2026. Licence: unknown." in text
        assert "SlowNet, a network of dots. Papers: unknown. Licence: unknown." in text
        assert "swift.pth (training set not recorded); upscaled in bf16; x8 self-ensemble." in text
        assert "No model was trained" not in text
        assert "residual" not in text.lower()
    assert head(copy).data.license is None
    assert "@inproceedings{agustsson2017div2k" in texts(copy)[0]


def test_sr_images_given_by_hand_are_called_so(run: Path, tmp_path: Path) -> None:
    copy = columns(run, tmp_path / "copy", {}, {"found": None})
    data = gather(copy)
    alone = render_markdown(replace(data, order=data.order | {"scale": [4]}, missing=defaultdict(str)))
    assert "srgrid upscale photo.png photo_x4.png --model bicubic --scale 4" in alone
    assert "_x2" not in alone.split("### How to use")[1].split("## Training")[0]
    for text in texts(copy):
        assert "Networks can smear" not in text
        assert text.count("SR images given by hand; what made them is not recorded.") == 2  # description, source
        assert "No weights are recorded in this run." in text
        assert "No model was trained or used" not in text


def test_only_computed_columns_need_no_model(run: Path, tmp_path: Path) -> None:
    copy = columns(run, tmp_path / "copy", {}, {"pillow": {"model": "bicubic"}})
    for text in texts(copy):
        assert "No model was trained or used in this run: bicubic and pillow enlargement has no training." in text
        assert "computed by bicubic, no training." in text
        assert "Networks can smear" not in text


def test_an_interpolator_is_told_by_its_manifest(run: Path, tmp_path: Path) -> None:
    copy = columns(run, tmp_path / "copy", {}, {"smooth": {"model": "lanczos", "computed": "Pillow's LANCZOS (a = 3)"}})
    for text in texts(copy):
        assert "computed by Pillow's LANCZOS (a = 3), no training." in text
        assert "bicubic and smooth enlargement has no training." in text


@pytest.mark.parametrize(
    ("licences", "own", "expected"),
    [
        (("Apache-2.0", "Apache-2.0"), "", {"license": "apache-2.0"}),
        (("mit", "apache-2.0"), "", {}),
        (("mit", None), "", {}),
        (("mit", "apache-2.0"), "cc0-1.0", {"license": "cc0-1.0"}),
        (("Ask the Author", "Ask the Author"), "", {"license": "other", "license_name": "Ask the Author"}),
    ],
)
def test_the_licence_is_the_configs_or_that_of_all_weights(run, tmp_path, licences, own, expected) -> None:
    weights = {name: {"licence": licence} for name, licence in zip(("a", "b"), licences, strict=True)}
    copy = columns(run, tmp_path / "copy", weights, {})
    edit_record(copy / "provenance.json", lambda r: r.update(config={"card": {"licence": own}}))
    found = head(copy).data.to_dict()
    assert {key: found[key] for key in ("license", "license_name") if key in found} == expected
    assert (f"Licence of what is published with this card: {own}." in texts(copy)[1]) is bool(own)


def test_the_configs_own_words_stand_on_the_card(run: Path, tmp_path: Path) -> None:
    said = {
        "title": "Ours & theirs",
        "authors": ["A. Writer", "B. Reader"],
        "licence": "mit",
        "description": "We made <this>.",
        "citation": "@misc{ours2026, title={Ours}}",
        "notes": ["Mind the gap."],
    }
    copy = shutil.copytree(run, tmp_path / "copy")
    edit_record(copy / "provenance.json", lambda r: r["config"].update(card=said))
    markdown, page = texts(copy)
    assert "# Super-resolution results grid: Ours &amp; theirs" in markdown
    for text in (markdown, page):
        for words in (
            "By A. Writer, B. Reader",
            "We made &lt;this&gt;.",
            "Mind the gap.",
            "@misc{ours2026, title={Ours}}",
        ):
            assert words in text
    assert gather(copy, title="Another").title == "Another"
    edit_record(copy / "provenance.json", lambda r: r["config"]["card"].update(notes="no list"))
    with pytest.raises(SrgridError, match=r"provenance\.json: config\.card\.notes"):
        gather(copy)


def test_papers_are_those_of_what_ran(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    own = {"photos": {"images": 4, "use": "test", "citation": {"text": "Us 2026", "bibtex": "@misc{us2026}"}}}
    edit_record(copy / "provenance.json", lambda r: r["config"].update(define_datasets=own))
    data = gather(copy)
    assert origins.cited(data, "photos") == "Us 2026"
    assert "photos (Us 2026)" in render_markdown(data)
    bibtex = origins.all_bibtex(data)
    assert [line for line in bibtex.splitlines() if line.startswith("@")] == [
        "@misc{srgrid,",
        "@article{vanderwalt2014skimage,",  # of sample-train
        "@misc{us2026}",
    ]
    assert origins.cited(data, "Urban100-half") == "Huang et al. 2015; Urban100: imresize 1/2"
    assert origins.cited(data, "BSDS400+SunHays80") == "Arbeláez et al. 2011; Sun and Hays 2012"
    assert origins.cited(data, "unheard of") == ""
    edit_record(copy / "provenance.json", lambda r: r["config"]["define_datasets"]["photos"].update(use="fun"))
    with pytest.raises(SrgridError, match=r"provenance\.json: config: define_datasets"):
        gather(copy)


def test_a_network_scored_on_another_degradation_is_said_to_be(run: Path, tmp_path: Path) -> None:
    trained = {"provenance": {"data": {"degradation": DEGRADATIONS["matlab"].record()}}}
    copy = columns(run, tmp_path / "copy", {"net": trained}, {})
    assert origins.scored_elsewhere(gather(copy)) == []
    edit_record(copy / "tables.json", lambda r: r["protocols"]["luma8"].update(degradation="pillow"))
    sentence = "net was trained on LR images made by matlab; under luma8 it is scored on those made by pillow"
    for text in texts(copy):
        assert sentence in text
        assert "LR images: matlab" in text
    same = {"twin": [{"modcrop": "scale"}, {"imresize": "1/scale"}]}
    edit_record(copy / "provenance.json", lambda r: r["config"].update(define_degradations=same))
    edit_record(copy / "tables.json", lambda r: r["protocols"]["luma8"].update(degradation="twin"))
    assert origins.scored_elsewhere(gather(copy)) == []  # the same steps under another name
    edit_record(copy / "provenance.json", lambda r: r["config"].update(define_degradations={"twin": 3}))
    with pytest.raises(SrgridError, match=r"provenance\.json: config: degradations\.twin"):
        gather(copy)


def test_images_that_the_config_names_are_not_said_to_be_chosen_by_scores(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    assert all("The scores chose the images shown, not the eye" in text for text in texts(copy))
    draw(copy, "photos", 2, Wanted(show={"coffee": (0, 0, 40, 40)}))
    for text in texts(copy):
        assert "The run's configuration names some of the images and crops shown" in text
        assert "The scores chose the images shown" not in text
        assert "the largest losses are among" not in text


def test_rows_and_origins_are_worked_out_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for module, name in ((views, "rows"), (origins, "origins"), (origins, "method_views"), (cards, "gather")):
        made = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, made=made, name=name, **k: (calls.append(name), made(*a, **k))[1])
    build_card(run, out_md=tmp_path / "a.md", out_html=tmp_path / "a.html")
    assert sorted(calls) == ["gather", "method_views", "origins", "rows"]


def test_earlier_records_of_a_known_architecture_are_described_by_its_table() -> None:
    shape = {"attention": "ca", "blocks": 4, "features": 32, "groups": 4, "reduction": 8, "rgb_range": 1.0, "scale": 2}
    record = {"method": "mine", "scale": 2, "file": "m.pt", "architecture": "rcan", "config": shape}
    found = read_model(record)
    assert found.about == ARCHITECTURES["rcan"].about(RcanConfig(**shape))
    assert found.citations == ("zhang2018rcan",)
    assert read_model({**record, "about": "Ours."}).about == "Ours."
    assert read_model({**record, "architecture": "unheard of"}).about == ""


def test_a_weights_record_is_read_by_its_paths() -> None:
    record = {"method": "m", "scale": 3, "file": "m.pt"}
    assert read_model(record).training.training_set == ""
    assert read_model(record, "Mine").training.training_set == "Mine"
    odd = {
        "config": 3,
        "parameters": "many",
        "citations": "x",
        "provenance": {"data": [], "recipe": None, "steps": "a"},
    }
    assert read_model({**record, **odd}) == read_model(record)
    data = {"training_set": "A", "images": 4, "degradation": {"name": "matlab", "steps": []}}
    made = {
        "provenance": {"data": data, "steps": 7, "init": "ab"},
        "measured": {"measured": {"seconds": 3, "device": "cpu"}},
    }
    found = read_model({**record, **made, "batch": 99}, "Mine").training
    assert (found.training_set, found.degradation, found.steps, found.init) == ("A", data["degradation"], 7, "ab")
    assert (found.seconds, found.device, found.recipe) == (3.0, "cpu", {})
