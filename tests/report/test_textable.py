"""The table for papers: names of one's own, printed values beside a run's, and LaTeX that holds together."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from srgrid.errors import SrgridError
from srgrid.records import write_record
from srgrid.references import reference
from srgrid.report.export import export
from srgrid.report.literature import column, networks
from srgrid.report.textable import Words, latex

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "results/shelf"
COMMANDS = {"begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule", "textbf", "underline"}
COMMANDS |= {"times", "infty", "ast", "textbackslash"}


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every tabular; fails where LaTeX would."""
    assert text.isascii()
    depth = 0
    for sign in re.sub(r"\\[{}]", "", text):
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert set(re.findall(r"\\([a-z]+)", text)) <= COMMANDS
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    found = []
    for spec, body in re.findall(r"\\begin\{tabular\}\{([lc]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]
        assert {len(row) for row in cells} == {len(spec)}
        found.append(cells)
    assert len(found) == text.count(r"\begin{table}") == text.count(r"\end{table}")
    return found


@pytest.mark.parametrize("run", ["published", "sample", "shelf", "shelf-x2", "shelf-x3"])
def test_the_tables_of_the_committed_runs_hold_together(run, tmp_path):
    latex(ROOT / f"results/{run}/grid.csv", tmp_path / "grid.tex")
    assert tables((tmp_path / "grid.tex").read_text())


def test_names_and_printed_values(tmp_path):
    words = Words({"rlfn": "RLFN_50 & more", "nobody": "unseen"}, ["imdn", "edsr"])
    latex(SHELF / "grid.csv", tmp_path / "grid.tex", words=words)
    text = (tmp_path / "grid.tex").read_text()
    first, *others = tables(text)
    assert first[0] == ["Dataset", "Scale", r"imdn$^\ast$", r"edsr$^\ast$", "bicubic", "dctlsa", r"RLFN\_50 \& more",
                        "carn-m", "rfdn"]  # fmt: skip
    row = dict(zip(first[0], first[1], strict=True))
    assert row[r"imdn$^\ast$"] == column("imdn")["Set5", 4].text == "32.21/0.8948"
    assert column("edsr")["Set5", 4].text == "32.46/0.8968"
    assert row[r"edsr$^\ast$"] == r"\underline{32.46}/\underline{0.8968}"
    assert row["dctlsa"] == r"\textbf{32.53}/\textbf{0.8991}"
    (sources,) = re.findall(r"\^\\ast\$As printed: (.*?)\.\}", text)
    assert sources == ", ".join(
        {cell.cite: reference(cell.cite).short for n in ("imdn", "edsr") for cell in column(n).values()}.values()
    )
    # Other protocols compare with nothing that is printed of networks.
    assert all(len(table[0]) == 7 for table in others)
    assert text.count(r"\ast") == 3


def test_a_cell_that_is_not_printed_is_missing(tmp_path):
    network = next(name for name in networks() if ("Urban100", 4) not in column(name) and ("Set5", 4) in column(name))
    latex(SHELF / "grid.csv", tmp_path / "grid.tex", "literature", Words(beside=[network]))
    (table,) = tables((tmp_path / "grid.tex").read_text())
    assert {row[0]: row[2] for row in table if row[0] == "Urban100"} == {"Urban100": "missing"}
    assert table[1][2] != "missing"
    with pytest.raises(SrgridError, match="nonet: no network of the literature's; choose from "):
        latex(SHELF / "grid.csv", tmp_path / "grid.tex", "literature", Words(beside=["nonet"]))


def test_an_export_takes_them_from_the_runs_config(tmp_path):
    run = tmp_path / "shelf"
    shutil.copytree(SHELF, run)
    export(run)
    assert "RLFN (Kong et al.)" not in (run / "grid.tex").read_text()
    record = json.loads((run / "provenance.json").read_text())
    record["config"]["card"] |= {"names": {"rlfn": "RLFN (Kong et al.)"}, "beside": ["imdn"]}
    del record["record_sha256"]
    write_record(run / "provenance.json", "provenance", record)
    export(run)
    text = (run / "grid.tex").read_text()
    assert "RLFN (Kong et al.)" in text
    assert r"imdn$^\ast$" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex: apt-get install texlive-latex-recommended")
def test_latex_takes_it(tmp_path):
    latex(SHELF / "grid.csv", tmp_path / "grid.tex", words=Words({"rlfn": "RLFN_50 & {more}^2 ~ 100 %"}, ["imdn"]))
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{grid}\end{document}"
    (tmp_path / "doc.tex").write_text(head)
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "doc.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout.lower()
