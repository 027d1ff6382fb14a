"""Printed claims: which protocol gives them, by rounding or by cutting off; else how far each is from them."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from srgrid import bench, images
from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.report.claims import Claim, claims_of, held_against, read_table
from srgrid.resize import imresize, modcrop


def claim(text):
    return Claim.of(text, "Set5", 4, "mine")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("32.63/0.9002", ("32.63", "0.9002")),
        (" 32.63 dB / .9002", ("32.63", ".9002")),
        ("32.6", ("32.6", "")),
        ("32.63 | 0.900", ("32.63", "0.900")),
    ],
)
def test_a_claim_as_papers_print_it(text, parts):
    assert (claim(text).psnr, claim(text).ssim) == parts


@pytest.mark.parametrize("text", ["", "0.9002/32.63", "32", "32.63/1.2", "about 32.63", "132.63/0.9"])
def test_what_is_no_claim(text):
    with pytest.raises(SrgridError, match="no claim; write PSNR/SSIM as printed"):
        claim(text)


@pytest.mark.parametrize(
    ("psnr", "ssim", "how"),
    [
        (32.634999, 0.90024, "rounded"),
        (32.625, 0.90015, "rounded"),
        (32.6399, 0.90029, "cut off"),
        (32.6399, 0.9001, ""),  # PSNR cut off, SSIM neither
        (32.6399, 0.90017, ""),  # one cut off, the other rounded: not one rule
        (32.62, 0.9002, ""),
        (float("inf"), 1.0, ""),
    ],
)
def test_rounding_and_cutting_off_are_told_apart(psnr, ssim, how):
    (found,) = held_against(claim("32.63/0.9002"), {"rgb8": (psnr, ssim)})
    assert found.how == how


def test_what_comes_out_stands_first_then_the_nearest():
    values = {"far": (30.0, 0.85), "near": (32.64, 0.9002), "it": (32.6301, 0.90021), "psnr-only": (32.63, 0.88)}
    found = held_against(claim("32.63/0.9002"), values)
    assert [one.protocol for one in found] == ["it", "near", "psnr-only", "far"]
    assert found[1].apart == pytest.approx((0.01, 0.0))


TABLES = {
    "long.md": "| Method | Dataset | Scale | Value |\n|---|---|---|---|\n| mine | Set5 | x4 | **32.63**/0.9002 |\n"
    "| other | Set5 | x4 | 31.00/0.8000 |\n| mine | Set14 | x4 | - |\n",
    "wide.md": "Text.\n\n| Data set | Scale | Images | bicubic | mine |\n|---|:--|--|--|--|\n"
    "| Set5 | 4x | 5 | 28.42/0.8104 [1 to 2] | 32.63/0.9002 |\n",
    "long.csv": "dataset,scale,method,psnr,ssim\nSet5,4,mine,32.63,0.9002\n",
    "wide.tex": r"""\begin{tabular}{llcc} \toprule
Dataset & Scale & other & mine \\ \midrule
Set5 & $\times4$ & 30.00/0.8000 & \textbf{32.63}/\textbf{0.9002} \\
 & $\times2$ & missing & missing \\ \bottomrule
\end{tabular}""",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read(name, tmp_path):
    (tmp_path / name).write_text(TABLES[name])
    rows = read_table(tmp_path / name)
    assert claims_of(rows, ["bicubic", "mine"])[-1] == claim("32.63/0.9002")
    assert len(claims_of(rows, ["mine"])) == 1
    assert rows[-1].dataset in ("Set5", "Set14")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.md", "no table", "no table with columns dataset and scale"),
        ("t.csv", "dataset,scale,mine\nSet5,4\n", "line 2: 2 values for 3 columns"),
        ("t.csv", "dataset,scale,mine\nSet5,2.5,32.63\n", "line 2: dataset 'Set5', scale '2.5'"),
        ("t.csv", "dataset,scale,mine\n,4,32.63\n", "line 2: dataset ''"),
        ("t.csv", "dataset,scale,mine\nSet5,4,good\n", "line 2: 'good': no claim"),
        ("t.csv", "dataset,scale,other\nSet5,4,32.63\n", "no value of mine"),
        ("t.html", "<table>", "claims are read from .md, .csv, .tex"),
        ("t.csv", b"dataset,scale\n\xff", "cannot be read as a table"),
    ],
)
def test_tables_that_cannot_be_read_are_said(name, text, said, tmp_path):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SrgridError, match=said):
        claims_of(read_table(tmp_path / name), ["mine"])


@pytest.fixture
def folders(tmp_path, photographs, monkeypatch):
    """HR of two photographs, one of them grey, and SR of another program."""
    for name, photo in (("chelsea", photographs["chelsea"]), ("camera", photographs["camera"])):
        hr = modcrop(photo[60:140, 80:180], 4)
        images.write(tmp_path / "mine/HR" / f"{name}.png", hr)
        images.write(tmp_path / "SR" / f"{name}.png", imresize(imresize(hr, 0.25), 4))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, ["check", *words])


SINGLE = ("--sr", "SR", "--dataset", "mine/HR", "--scale", "4")


def test_a_true_claim_and_one_that_is_off(folders):
    """The claim of bicubic itself: the scores of the run are what `score` prints, so that the circle closes."""
    scored = CliRunner().invoke(app, ["score", "SR", "mine/HR", "--scale", "4"]).stdout.splitlines()[-1].split()
    psnr, ssim = float(scored[1]), float(scored[3])
    true = run(f"{psnr:.2f}/{ssim:.4f}", *SINGLE)
    assert true.exit_code == 0, true.output
    assert true.stdout.startswith(f"mine/HR x4 given {psnr:.2f}/{ssim:.4f}: rgb8, rounded, ")
    false = run(f"{psnr + 0.05:.2f}/{ssim:.4f}", *SINGLE)
    assert false.exit_code == 1
    assert f"{psnr + 0.05:.2f}/{ssim:.4f}: under no protocol; nearest " in false.stdout.splitlines()[0]
    (own,) = (line for line in false.stdout.splitlines() if line.startswith("  rgb8 "))
    assert f"({psnr - float(f'{psnr + 0.05:.2f}'):+.3f}" in own


def test_nothing_is_enlarged_for_a_claim_of_finished_images(folders, monkeypatch):
    for step in ("make_lr", "upscale_dir"):
        monkeypatch.setattr(bench, step, lambda *given, **options: pytest.fail("bicubic is not claimed"))
    assert run("20.00", *SINGLE).exit_code == 1


def test_a_claim_made_under_another_protocol_is_found(folders):
    scored = CliRunner().invoke(app, ["score", "SR", "mine/HR", "--scale", "4", "--protocol", "literature"])
    psnr = float(scored.stdout.splitlines()[-1].split()[1])
    result = run(f"{psnr:.4f}", *SINGLE)
    assert result.exit_code == 0, result.output
    assert ": literature, rounded" in result.stdout.splitlines()[0]


def test_a_table_of_claims(folders):
    (folders / "t.csv").write_text("dataset,scale,bicubic,theirs\nmine/HR,4,1.00/0.1000,\nmine/HR,4,,1.00/0.1000\n")
    result = run("t.csv", "--sr", "theirs=SR")
    assert result.exit_code == 1, result.output
    assert result.stdout.splitlines()[-1] == "0 of 2 claims come out to every printed digit"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["32.63"], "a single claim needs --dataset and --scale"),
        (["t.md", "--dataset", "Set5", "--scale", "4"], "a table .* names its own"),
        (["32.63", *SINGLE, "--model", "lanczos"], "of one --model or --sr alone"),
        (["32.63", *SINGLE[:2], "--dataset", "nowhere/HR", "--scale", "4"], "there is no such folder"),
        (["good", *SINGLE], "'good': no claim"),
        (["32.63", "--model", "none-such", *SINGLE[2:]], "model 'none-such': neither a known name"),
    ],
)
def test_what_cannot_be_checked_is_said(folders, words, said):
    result = run(*words)
    assert isinstance(result.exception, SrgridError), result.output
    with pytest.raises(SrgridError, match=said):
        raise result.exception


def test_sr_of_another_size_is_said(folders):
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folders / "SR/chelsea.png")
    result = run("32.63", *SINGLE)
    assert "not the same image at scale 4" in str(result.exception)
