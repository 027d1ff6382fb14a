"""The card in Markdown and HTML: content, escaping, determinism, refusal of stale tables."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from run_dir import MODEL, draw, edit_record, make_run, write_tables

from srgrid.errors import SrgridError
from srgrid.records import read_record, write_record
from srgrid.report.card import build_card, md, render_html, render_markdown
from srgrid.report.cardata import gather
from srgrid.report.origins import origins
from srgrid.report.published import published

HOSTILE = '</script><script>window.hacked="data"</script>'
HOSTILE_IMAGES = ('<img src=x onerror="window.hacked=1">', "a|b`c`*d*", "$x$ & {{ 7 * 7 }}", "plain")


@pytest.fixture(scope="module")
def card(run: Path) -> tuple[str, str]:
    build_card(run)
    return (run / "model_card.md").read_text(), (run / "model_card.html").read_text()


def test_two_builds_are_byte_identical(run: Path, card: tuple[str, str], tmp_path: Path) -> None:
    build_card(run, out_md=tmp_path / "again.md", out_html=tmp_path / "again.html")
    assert ((tmp_path / "again.md").read_text(), (tmp_path / "again.html").read_text()) == card


def test_the_card_needs_no_images(run: Path, card: tuple[str, str], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("HR", "SR", "scores"))
    build_card(copy)
    assert ((copy / "model_card.md").read_text(), (copy / "model_card.html").read_text()) == card


def test_front_matter_is_accepted_by_the_hub_library(run: Path, card: tuple[str, str]) -> None:
    loaded = ModelCard.load(run / "model_card.md")
    results = {(r.dataset_config, r.metric_type): r for r in loaded.data.eval_results}
    assert loaded.data.model_name == MODEL
    assert set(results) == {(f"bicubic_x{s}", m) for s in (2, 4) for m in ("psnr", "ssim")}
    grid = gather(run).grid.set_index(["scale", "method", "protocol"])
    psnr = results["bicubic_x2", "psnr"]
    assert psnr.metric_value == pytest.approx(grid.loc[(2, MODEL, "rgb8"), "psnr"], abs=1e-4)
    assert (psnr.dataset_name, psnr.task_type, psnr.dataset_split) == ("photos", "image-to-image", "validation")
    assert loaded.data.pipeline_tag == "image-to-image"
    assert ModelCard(loaded.content).data.eval_results == loaded.data.eval_results


def test_markdown_says_what_is_missing_and_where_columns_come_from(card: tuple[str, str]) -> None:
    text = card[0]
    assert "missing: the x4 weights were lost at sea" in text
    assert "(7 of 8 cells are filled)" in text
    assert "training set: sample-train" in text
    assert "`rcan-bam-s`: rcan-bam-s\\_x2.safetensors (sample-train)" in text
    assert re.search(r"\*\*\d\d\.\d\d\*\*/\*\*0\.\d{4}\*\*", text)
    assert "62 s | 12121212" in text
    assert "dddd" not in text


def test_what_the_run_leaves_out_is_no_missing_cell(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    record = read_record(copy / "provenance.json", "provenance", "")
    record["config"]["scales"] = [3, *record["config"]["scales"]]
    record["missing"].append({"dataset": "photos", "scale": 3, "reason": "photos is declared for scale 2, 4 alone"})
    write_record(copy / "provenance.json", "provenance", record)
    data = gather(copy)
    text = render_markdown(data)
    assert "(7 of 8 cells are filled)" in text
    assert "photos is declared for scale 2, 4 alone." in text
    assert "| photos | x3 |" not in text
    assert '<td class="none" title="photos is declared for scale 2, 4 alone">none</td>' in render_html(data)


def test_started_from_names_weights_of_the_run(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    record = read_record(copy / "provenance.json", "provenance", "")
    record["weights"][f"{MODEL} x4"]["provenance"]["init"] = "12" * 32
    record["weights"][f"{MODEL} x2"]["provenance"]["init"] = "ab" * 32
    write_record(copy / "provenance.json", "provenance", record)
    facts = [origin.facts["started from"] for origin in origins(gather(copy))]
    assert facts == ["weights abababababab", f"{MODEL} x2"]


def test_patches_that_were_chosen_among_several_are_a_fact_of_the_training(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    record = read_record(copy / "provenance.json", "provenance", "")
    record["weights"][f"{MODEL} x2"]["provenance"]["recipe"]["candidates"] = 8
    record["weights"][f"{MODEL} x4"]["provenance"]["recipe"]["candidates"] = 1
    write_record(copy / "provenance.json", "provenance", record)
    facts = [origin.facts.get("the most detailed of") for origin in origins(gather(copy))]
    assert facts == ["8 patches", None]
    assert "the most detailed of: 8 patches" in render_markdown(gather(copy))


def test_published_values_stand_beside_the_grid(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", dataset="Set5")
    text = render_markdown(gather(run))
    assert "bicubic 33.64/0.9292 (card, under luma8; re-made" in text
    assert "rcan 38.27/0.9614 (RCAN paper)" in text
    assert "published values of rcan and rcan-bam belong to networks that this run neither trained nor ran" in text
    values = {(p.source, p.method, p.dataset, p.scale): p.text for p in published()}
    assert len([key for key in values if key[:2] == ("card", "bicubic")]) == 11
    assert len([key for key in values if key[:2] == ("rcan-paper", "rcan")]) == 12


class Page(HTMLParser):
    """Collects what would be fetched, run or shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.links, self.tags = 0, [], []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href") and value:
                self.links.append((tag, value))


def test_the_page_is_one_file_and_asks_for_nothing(card: tuple[str, str]) -> None:
    page = Page()
    page.feed(card[1])
    assert page.scripts == 4
    fetched = [value for tag, value in page.links if tag != "a" and not value.startswith("data:")]
    assert fetched == []
    assert "@import" not in card[1]
    assert "url(" not in card[1].replace("url(#heat)", "")


def test_downloads_are_the_run_files(run: Path, card: tuple[str, str]) -> None:
    for name in ("grid.csv", "scores.csv"):
        link = re.search(rf'download="{re.escape(name)}" href="data:[^,]*,([^"]*)"', card[1])
        assert link
        assert base64.b64decode(link[1]) == (run / name).read_bytes()


def test_page_data_holds_every_score(run: Path, card: tuple[str, str]) -> None:
    data = json.loads(re.search(r'id="data">(.*?)</script>', card[1], re.S)[1])
    assert sum(len(cell["psnr"]) for cell in data["cells"]) == len(gather(run).scores)
    assert [len(record["images"]) for record in data["previews"]] == [4, 4]
    assert data["missing"] == [["photos", 4, MODEL, "luma8", "the x4 weights were lost at sea"]]
    assert len(data["curves"][0]["series"]["loss"]) <= 400


def test_text_from_data_is_never_markup(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", dataset=HOSTILE, names=HOSTILE_IMAGES, scales=(2,))
    data = gather(run, title=HOSTILE)
    html = render_html(data)
    page = Page()
    page.feed(html)
    assert page.scripts == 4
    assert 'onerror="window' not in html
    assert "7 * 7" in html
    text = render_markdown(data).split("\n---\n", 1)[1]
    assert "<script>" not in text
    assert "<img" not in text


def test_markdown_escaping() -> None:
    assert md("a|b <b> `c` *d*\n[e]") == r"a\|b &lt;b&gt; \`c\` \*d\* \[e\]"


def test_a_template_of_the_user_stands_in(run: Path, tmp_path: Path) -> None:
    (tmp_path / "card.md.j2").write_text("only {{ data.title }}")
    assert render_markdown(gather(run), tmp_path) == "only test\n"
    (tmp_path / "card.md.j2").write_text("{{ nothing_such }}")
    with pytest.raises(SrgridError, match=r"card\.md\.j2 fails \('nothing_such' is undefined\)"):
        render_markdown(gather(run), tmp_path)
    with pytest.raises(SrgridError, match="no folder of templates"):
        render_markdown(gather(run), tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("grid.csv", lambda t: t.replace("\nphotos,2,bicubic,rgb8,", "\nphotos,2,bicubic,rgb8,1"),
         r"grid\.csv: edited or damaged since it was made; make the grid again"),
        ("intervals.csv", lambda t: t.replace("note", "notes"), r"intervals\.csv: edited or damaged"),
        ("provenance.json", lambda t: t[:-5], r"provenance\.json: not readable JSON"),
        ("state/rcan-bam-s_x2/log.jsonl", lambda t: "{" + t, r"log\.jsonl, line 1: damaged"),
        ("scores.csv", None, r"scores\.csv does not exist"),
        ("provenance.json", None, r"provenance\.json does not exist"),
        ("previews/x2/0_hr.webp", None, r"0_hr\.webp is missing"),
    ],
)  # fmt: skip
def test_stale_or_damaged_input_is_named(run: Path, tmp_path: Path, name: str, change: object, message: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("HR", "SR", "scores", "model_card.*"))
    if change is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text(change((copy / name).read_text()))
    with pytest.raises(SrgridError, match=message):
        build_card(copy)
    assert not list(copy.glob("model_card*"))


def test_infinite_psnr_is_shown_as_such(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scales=(2,))
    table = (run / "scores.csv").read_text()
    write_tables(run, re.sub(rf"(photos,2,{MODEL},rgb8,camera),[\d.]+,[\d.]+", r"\1,inf,1.00000000", table))
    edit_record(run / "provenance.json", lambda record: record.update(outputs={}))
    draw(run, "photos", 2)
    build_card(run)
    assert "**∞**/" in (run / "model_card.md").read_text()
    assert '"inf"' in (run / "model_card.html").read_text()
