"""What papers print: the shape of the file, its numbers against each other and against the re-made bicubic."""

import csv
import importlib.util
import itertools
import re
import sys
from pathlib import Path

import pytest

from srgrid.errors import SrgridError
from srgrid.protocols import PROTOCOLS
from srgrid.references import references
from srgrid.report import literature as module
from srgrid.report.literature import literature
from srgrid.report.published import Published, published, read_values

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(module.__file__).with_name("literature.yaml")
SETS = ("Set5", "Set14", "BSD100", "Urban100")


def tool():
    sys.path.insert(0, str(ROOT / "tools"))  # it takes the counts from the shelf's
    spec = importlib.util.spec_from_file_location("literature_tool", ROOT / "tools/literature.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_up_to_date_and_shows_every_value():
    page = (ROOT / "docs/literature.md").read_text()
    assert page == tool().text(), "run python tools/literature.py"
    assert sum(len(re.findall(r"\d\d\.\d\d/0\.\d{4} ", line)) for line in page.splitlines()) == 570 + 32
    for cell in literature():
        assert f"({cell.url}), {cell.table}" in page


def column(cell: Published) -> tuple[str, str, str]:
    return cell.source, cell.method, cell.training


def test_there_are_the_tables_of_many_papers():
    networks = {cell.method for cell in literature() if cell.method != "bicubic"}
    assert len(networks) >= 15
    assert networks >= {"srcnn", "vdsr", "edsr", "rdn", "rcan", "carn", "imdn", "rfdn", "rlfn", "lapar-a", "safmn"}
    assert networks >= {"swinir-light", "swinir", "hat", "ninasr-b0"}
    for name in ("rcan", "carn", "imdn", "rfdn", "swinir"):
        assert {cell.dataset for cell in literature() if cell.method == name} == set(SETS), name
        assert {cell.scale for cell in literature() if cell.method == name} == {2, 3, 4}, name


def test_every_value_is_printed_somewhere_and_in_range():
    for cell in literature():
        assert re.fullmatch(r"\d\d\.\d\d/0\.\d{4}", cell.text), cell
        assert f"{cell.psnr:.2f}/{cell.ssim:.4f}" == cell.text
        assert 22 < cell.psnr < 40, cell
        assert 0.6 < cell.ssim < 0.98, cell
        assert cell.url.startswith("https://")
        assert cell.cite in references()
        assert cell.table, cell
        assert cell.dataset in SETS
        assert cell.protocol in PROTOCOLS
        assert cell.protocol == ("rgb8" if cell.method == "bicubic" else "literature")


def test_psnr_and_ssim_fall_with_the_scale_and_networks_are_above_bicubic():
    bicubic = {(c.dataset, c.scale): c for c in literature() if c.source == "rcan-tf" and c.method == "bicubic"}
    assert len(bicubic) == 12
    by_set = sorted(literature(), key=lambda c: (*column(c), c.dataset, c.scale))
    pairs = 0
    for _, cells in itertools.groupby(by_set, lambda c: (*column(c), c.dataset)):
        for near, far in itertools.pairwise(cells):
            assert near.psnr > far.psnr, (near, far)
            assert near.ssim > far.ssim, (near, far)
            pairs += 1
    assert pairs > 200
    for cell in literature():
        if cell.method != "bicubic":
            assert cell.psnr > bicubic[cell.dataset, cell.scale].psnr + 0.5, cell
            assert cell.ssim > bicubic[cell.dataset, cell.scale].ssim, cell


def test_bicubic_is_the_re_made_one_to_two_hundredths():
    """The printed columns stand up to 0.014 dB and 0.0007 from rgb8."""
    with (ROOT / "results/published/grid.csv").open(newline="") as file:
        rows = {
            (r["dataset"], int(r["scale"])): r
            for r in csv.DictReader(file)
            if r["protocol"] == "rgb8" and r["method"] == "bicubic"
        }
    cells = [cell for cell in literature() if cell.method == "bicubic"]
    assert len(cells) == 12 + 8 + 12
    for cell in cells:
        made = rows[cell.dataset, cell.scale]
        assert cell.psnr == pytest.approx(float(made["psnr"]), abs=0.02), cell
        assert cell.ssim == pytest.approx(float(made["ssim"]), abs=0.0008), cell


def test_sources_of_one_network_and_training_agree_but_where_it_is_said():
    """Two sources of a value differ by a rounding, or a note says that they do."""
    said = {"edsr": "irn", "latticenet": "cfsr"}
    by_cell = itertools.groupby(
        sorted(literature(), key=lambda c: (c.method, c.dataset, c.scale)), lambda c: (c.method, c.dataset, c.scale)
    )
    for (method, *_), cells in by_cell:
        known = [c for c in cells if c.source != said.get(method) and c.training != "DF2K"]
        if known:
            assert max(c.psnr for c in known) - min(c.psnr for c in known) < 0.04, known
            assert max(c.ssim for c in known) - min(c.ssim for c in known) < 0.0011, known
    for method, source in said.items():
        assert all("values in" in c.note for c in literature() if (c.method, c.source) == (method, source))


def test_the_rcan_papers_columns_are_those_of_published_yaml():
    own = {(c.method, c.dataset, c.scale): c.text for c in published() if c.source == "rcan-paper"}
    quoted = {(c.method, c.dataset, c.scale): c.text for c in literature() if c.source == "rcan-tf"}
    assert len(own) == 24
    assert {key: text for key, text in quoted.items() if key in own} == own


def test_a_networks_amounts_are_by_scale():
    light = {c.scale: (c.parameters, c.multiply_adds) for c in literature() if c.method == "swinir-light"}
    assert light == {2: ("878K", "195.6G"), 3: ("886K", "87.2G"), 4: ("897K", "49.6G")}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("label: RCAN-tf", "labels: RCAN-tf", "sources.rcan-tf: Additional properties"),
        ("cite: zhang2018rcan", "cite: nobody1900", "not in references.bib"),
        ("url: https://github", "url: http://github", "sources.rcan-tf.url"),
        ("source: rcan-tf", "source: another", "another"),
        ("protocol: rgb8", "protocol: psnr-y", "values.0.protocol"),
        ("method: rdn", "method: bicubic", "rcan-tf: bicubic on Set5 x2 is there twice"),
        ("method: rdn", "method: RDN!", "values.1.method"),
        ("Set5: {2:", "Set6: {2:", "Set6"),
        ("Set5: {2:", "Set5: {5:", "values.0.cells.Set5"),
        ("Set5: {2: 33.66/0.9299, 3:", "Set5: {2: 33.66/0.9299, 2:", "2 is there twice"),
        ("33.66/0.9299", "33.66 / 0.9299", "values.0.cells.Set5.2"),
        ("33.66/0.9299", "3.366/0.9299", "values.0.cells.Set5.2"),
        ("33.66/0.9299", "33.66/1.9299", "values.0.cells.Set5.2"),
        ("33.66/0.9299", "33.66", "values.0.cells.Set5.2"),
        ("parameters: {2:", "parameters: {x:", "parameters"),
        ("694K", "many", "parameters.2"),
        ("values:", "valued:", "top level"),
        ("values:", "values: [", "damaged table"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_message(tmp_path, old, new, words):
    text = FILE.read_text(encoding="utf-8").partition("  - source: addernet\n")[0]
    assert old in text
    (tmp_path / "literature.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(SrgridError, match=r"damaged table of published values \(.*\); install srgrid again") as error:
        read_values(tmp_path / "literature.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"values: 1", b"[" * 5000])
def test_a_file_of_something_else_is_one_message(tmp_path, content):
    (tmp_path / "literature.yaml").write_bytes(content)
    with pytest.raises(SrgridError, match="install srgrid again"):
        read_values(tmp_path / "literature.yaml")
    with pytest.raises(SrgridError, match="cannot be read"):
        read_values(tmp_path / "none.yaml")
