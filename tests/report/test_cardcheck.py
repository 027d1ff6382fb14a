"""A card's numbers against its run's: every one that is changed is found; and one cell's chain in words."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.records import file_digest
from srgrid.report.cardata import gather
from srgrid.report.cardcheck import _prints, check_card
from srgrid.report.frontmatter import model_index
from srgrid.report.why import why

ROOT = Path(__file__).parents[2]
PUBLISHED, SAMPLE = ROOT / "results/published", ROOT / "results/sample"
CARD = (PUBLISHED / "model_card.md").read_text()


@pytest.fixture(scope="module")
def indexed():
    """Front matter with an index of both models, as cards of other programs have it."""
    data = gather(PUBLISHED)
    index = [entry for method in data.methods for entry in model_index(data, method)]
    return f"---\n{yaml.safe_dump({'model-index': index}, sort_keys=False)}---\n"


@pytest.fixture
def check(tmp_path):
    """What is found of a text as a card of the reference run."""

    def checked(text, run=PUBLISHED):
        (tmp_path / "README.md").write_text(text)
        return check_card(tmp_path / "README.md", run)

    return checked


def rows(text):
    """The lines of the grids of a card, with their numbers."""
    head = ""
    for number, line in enumerate(text.splitlines()):
        if line.startswith("| Dataset | Scale |") and "Published" in line:
            head = line
        elif not line.startswith("|"):
            head = ""
        elif head and not line.startswith("|---"):
            yield number


def test_a_card_as_it_was_made_is_the_runs():
    found = check_card(PUBLISHED / "model_card.md", PUBLISHED)
    assert found.wrong == ()
    assert found.compared > 800


def test_the_readme_of_this_repository_is_the_reference_runs():
    found = check_card(ROOT / "README.md", PUBLISHED)
    assert found.wrong == ()
    assert found.compared > 200
    assert found.beside == ("Bicubic, published card", "rcan-bam, published card (super-image)")


def test_every_digit_of_a_row_is_held_against_the_run(check):
    """Each digit of a grid's row, one after the other, changed by one: values, intervals, gains, published values."""
    lines = CARD.splitlines()
    number = next(n for n in rows(CARD) if "Set5 | x4" in lines[n])
    line = lines[number]
    start = line.index("|", line.index("| x4") + 1)
    names = re.compile(r"rcan-bam|rcan|RCAN|x\d|luma8|rgb8|RCAN paper|super-image")
    inside = {place for name in names.finditer(line) for place in range(*name.span())}
    places = [n for n in range(start, len(line)) if line[n].isdigit() and n not in inside]
    assert len(places) > 60
    head = CARD.splitlines()[:number]
    table = [one for one in head if one.startswith("| Dataset | Scale | Images |")][-1]
    protocol = [one for one in head if one.startswith("### Protocol")][-1]
    changed = [line[:n] + str((int(line[n]) + 1) % 10) + line[n + 1 :] for n in places]
    text = f"{protocol}\n" + "".join(f"\n{table}\n|---|---|\n{one}\n" for one in [line, *changed])
    found = {fault.split(":")[0] for fault in check(text).wrong}
    assert found == {f"line {5 + 4 * n}" for n in range(1, len(places) + 1)}


def test_a_place_among_the_literature_is_held_against_it(check):
    head = "## Among the literature\n\n| Dataset | Scale | rcan-s |\n|---|---|---|\n"
    line = next(line for line in CARD.splitlines() if line.startswith("| Set14 | x3 |") and "(place" in line)
    told = line.split("|")[-2].strip()
    assert check(f"{head}| Set14 | x3 | {told} |\n").wrong == ()
    assert check(f"{head}| Set14 | x3 | {told} |\n".replace("Among the literature", "Scores under rgb8")).wrong == ()
    for other in (
        told.replace("place 2", "place 1"),
        told.replace("below", "below the"),
        told.replace("30.0", "30.1", 1),
    ):
        assert other != told
        assert len(check(f"{head}| Set14 | x3 | {other} |\n").wrong) == 1


def test_every_number_of_the_model_index_is_held_against_the_run(check, indexed):
    assert check(indexed).wrong == ()
    values = list(re.finditer(r"^ +value: (.*)$", indexed, re.M))
    assert len(values) > 40
    for found in values[::15]:
        place = found.end() - 1
        changed = indexed[:place] + str((int(indexed[place]) + 1) % 10) + indexed[place + 1 :]
        wrong = check(changed).wrong
        assert len(wrong) == 1
        assert wrong[0].startswith("model-index: ")


@pytest.mark.parametrize(
    ("value", "right", "wrong"),
    [
        (30.57755, ("30.5775", "30.5776", "30.58"), ("30.5774", "30.5777", "30.57")),
        (-0.00125, ("-0.0012", "-0.0013", "0.00"), ("-0.0014", "-0.0011", "-0.01")),
        (30.577551, ("30.5776",), ("30.5775",)),
        (30.577549, ("30.5775",), ("30.5776",)),
    ],
)
def test_a_value_halfway_between_two_printed_ones_is_both(value, right, wrong):
    assert [_prints(value, text) for text in (*right, *wrong)] == [True] * len(right) + [False] * len(wrong)


def test_a_table_of_ones_own_form(check):
    table = "| Dataset | Scale | rcan-s | rcan-s, super-image | Parameters |\n|---|---|---|---|---|\n"
    found = check(table + "| Set5 | 4 | 31.73 / 0.889 | 31.78 | 0.4 M |\n")
    assert (found.compared, found.wrong, found.beside) == (3, (), ("Parameters",))
    found = check(table + "| Set5 | 4 | 31.7 / 0.887 | 31.79 | 0.4 M |\n")
    assert len(found.wrong) == 2
    assert found.wrong[0].startswith("line 3: Set5 4 rcan-s: 0.887, the run has 0.888")
    under = "## Under luma8\n\n| Dataset | Scale | bicubic |\n|---|---|---|\n| Set5 | x2 | 33.64/0.9292 |\n"
    assert check(under).wrong == ()
    assert check(under.replace("luma8", "rgb8")).wrong


def test_a_cell_that_the_run_lacks_is_wrong(check, indexed):
    table = "| Dataset | Scale | bicubic |\n|---|---|---|\n"
    assert "the run has no such cell" in check(f"{table}| Set5 | x8 | 20.00/0.5000 |\n").wrong[0]
    assert "the run has no such cell" in check(f"{table}| Manga109 | x4 | 20.00/0.5000 |\n").wrong[0]
    renamed = indexed.replace("- name: rcan-bam-s\n", "- name: mine\n", 1)
    assert re.search(r"mine rgb8: psnr 37\.\d+, the run has no such cell", check(renamed).wrong[0])


def test_a_text_with_nothing_to_check_is_said(check):
    with pytest.raises(SrgridError, match=r"has no model-index, and no table that begins with Dataset and Scale"):
        check("# A model\n\nIt is good: 40.00 dB.\n")
    with pytest.raises(SrgridError, match="front matter: not as the Hub wants it"):
        check("---\nmodel-index: [{name: x, results: [{}]}]\n---\n")
    with pytest.raises(SrgridError, match="cannot be read as a card"):
        check_card(ROOT, PUBLISHED)


def test_a_run_that_was_edited_is_no_measure(check, tmp_path):
    run = shutil.copytree(PUBLISHED, tmp_path / "run")
    (run / "grid.csv").write_text((run / "grid.csv").read_text().replace("33.6", "34.6", 1))
    with pytest.raises(SrgridError, match=r"grid\.csv: edited or damaged"):
        check(CARD, run)


def test_the_command_says_what_is_wrong_and_ends_in_1(tmp_path, capsys):
    (tmp_path / "README.md").write_text(CARD.replace("| 5 | 33.67/", "| 5 | 33.77/", 1))
    app(["card", "--check", str(PUBLISHED / "model_card.md"), str(PUBLISHED)], standalone_mode=False)
    assert capsys.readouterr().out.endswith("none wrong\n")
    with pytest.raises(SystemExit) as stopped:
        app(["card", "--check", str(tmp_path / "README.md"), str(PUBLISHED)], standalone_mode=False)
    assert stopped.value.code == 1
    printed = capsys.readouterr().out
    assert "Set5 x2 bicubic: 33.77, the run has 33.67" in printed
    assert printed.endswith("1 wrong\n")


def test_one_cells_chain_leads_back_to_its_sources():
    text = "\n".join(why("Set5 x4 rcan-bam-s rgb8", PUBLISHED))
    cell = (PUBLISHED / "grid.csv").read_text().partition("Set5,4,rcan-bam-s,rgb8,")[2].split(",")
    butterfly = (PUBLISHED / "scores.csv").read_text().partition("Set5,4,rcan-bam-s,rgb8,butterfly,")[2].split(",")
    for said in (
        f"PSNR {cell[0]} dB, SSIM {cell[1]}",
        f"butterfly PSNR {butterfly[0]} dB",
        f"models/rcan-bam-s_x4.safetensors, sha256 {file_digest(ROOT / 'models/rcan-bam-s_x4.safetensors')}",
        "training set: BSDS400+SunHays80",
        "degradation matlab: modcrop scale, imresize 1/scale",
        "5 images, sha256 e087fde4b9796fb3e9e7a73b21c2ec752b63c9565956bf405591448f8187c0e2",
        "Set5 from https://huggingface.co/datasets/eugenesiow/Set5/resolve/main/data/Set5_HR.tar.gz",
        f"commit {json.loads((PUBLISHED / 'provenance.json').read_text())['commit']}",
        "again: snakemake --cores 8 --configfile config/published.yaml",
    ):
        assert said in text, text


def test_the_chain_of_a_variant_names_its_parents_sources():
    text = "\n".join(why("Urban100-half ×2 bicubic super-image", PUBLISHED))
    assert "computed, no network" in text
    assert "Urban100-half is Urban100 after imresize 1/2" in text
    assert "Urban100 from https://uofi.box.com/" in text
    assert "degradation pillow-uncropped: pillow-bicubic 1/scale" in text


def test_the_chain_of_a_new_run_has_the_digests_of_sr_and_lr():
    text = "\n".join(why("sample x4 rcan-s rgb8", SAMPLE))
    assert len(re.findall(r"4 images, sha256 [0-9a-f]{64}", text)) == 3
    assert "skimage: data/ of the installed package" in text


@pytest.mark.parametrize("cell", ["Set5", "Set5 x9 bicubic rgb8", "Set5 four bicubic rgb8", "x4 Set5 bicubic rgb8"])
def test_a_cell_that_is_none_is_said(cell):
    with pytest.raises(SrgridError, match="no cell of the run; write DATASET xSCALE METHOD PROTOCOL, of Set5, Set14"):
        list(why(cell, PUBLISHED))
