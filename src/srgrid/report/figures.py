"""Print-ready comparison figures (300 dpi PNG, vector PDF) in the layout of the super-resolution literature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_file
from srgrid.records import file_digest, tables_record, write_record
from srgrid.report.choose import Choice, Crop, check_crop, choose_crop, choose_images
from srgrid.report.sources import check_scored, load_pair, open_folders
from srgrid.report.tables import recorded_scores

Image = NDArray[np.generic]

WIDTH = 7.0  # inches: the text width of a two-column paper
GAP, CELL_GAP, LABEL, HEAD = 0.12, 0.07, 0.36, 0.24
LARGEST = 2.4  # inches: side of a crop
ACCENT = "#d1321f"

STYLE: Any = {
    "font.family": "STIXGeneral",  # ships with matplotlib: the same glyphs everywhere
    "text.parse_math": False,  # names are shown as they are, dollar signs too
    "font.size": 8.5,
    "pdf.fonttype": 42,
    "image.interpolation": "nearest",
    "image.composite_image": False,
}


class HasScore(Protocol):
    """Anything with a PSNR in dB and an SSIM, such as `srgrid.metrics.Score`."""

    @property
    def psnr(self) -> float: ...
    @property
    def ssim(self) -> float: ...


@dataclass(frozen=True)
class PlainScore:
    """A score read from a table."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Panel:
    """One image of a figure: HR and SR arrays (0..255, same height and width), scores per method, crop and title."""

    name: str
    hr: Image
    srs: Mapping[str, Image]
    scores: Mapping[str, HasScore]
    crop: Crop
    title: str
    whole: bool = True  # show the whole image beside the crops


def crop_size(width: int, height: int, side: int | None = None) -> tuple[int, int]:
    """A square crop of `side` pixels, by default about a fifth of the image's shorter side (32 to 160 pixels).

    Never more than the image.
    """
    side = min(max(32, round(min(width, height) / 4.5)), 160) if side is None else side
    return min(side, width), min(side, height)


def compare_figure(
    image_name: str,
    hr: Image,
    srs: Mapping[str, Image],
    scores: Mapping[str, HasScore],
    crop: Crop | None = None,
    *,
    out_png: Path,
    out_pdf: Path,
    title: str | None = None,
) -> Crop:
    """Draw one image's comparison: the whole HR with the crop marked; nearest-enlarged crops of HR and each method.

    `hr` and `srs` (method name -> image, bicubic first) are H x W or H x W x 3 in 0..255 of one size; `scores` gives
    PSNR/SSIM under each crop. Without `crop` the place where the methods differ most is taken. Returns the crop used.
    """
    panel = make_panel(image_name, hr, srs, scores, crop=crop, title=title)
    draw([panel], out_png, out_pdf)
    return panel.crop


def make_panel(
    name: str,
    hr: Image,
    srs: Mapping[str, Image],
    scores: Mapping[str, HasScore],
    *,
    crop: Crop | None = None,
    crop_side: int | None = None,
    title: str | None = None,
    whole: bool = True,
) -> Panel:
    """Check the images of a panel and settle its crop. Raises SrgridError on sizes that differ."""
    height, width = hr.shape[:2]
    for method, sr in srs.items():
        if sr.shape[:2] != (height, width):
            raise SrgridError(f"{name}: {method} is {sr.shape[1]} x {sr.shape[0]} pixels, HR {width} x {height}.")
    if crop is None:
        crop = choose_crop(dict(srs), crop_size(width, height, crop_side), margin=4)
    return Panel(name, hr, srs, scores, check_crop(crop, width, height, name), title or name, whole)


@dataclass(frozen=True)
class _Layout:
    rows: int
    columns: int
    side: float
    crop_aspect: float
    image: tuple[float, float]

    @property
    def height(self) -> float:
        return HEAD + self.image[1] + LABEL


def _layout(panel: Panel) -> _Layout:
    """Rows and columns of crops beside the whole image that give the largest crops on the page's width."""
    height, width = panel.hr.shape[:2]
    aspect, crop_aspect = width / height if panel.whole else 0.0, panel.crop[2] / panel.crop[3]
    count = 1 + len(panel.srs)
    options = []
    for rows in (1, 2, 3):
        columns = -(-count // rows)
        if rows > count or (rows - 1) * columns >= count:
            continue
        between = (rows - 1) * (LABEL + CELL_GAP)
        free = WIDTH - GAP - (columns - 1) * CELL_GAP - aspect * between
        side = min(free / (aspect * rows + columns * crop_aspect), LARGEST)
        tall = rows * side + between
        if (side > 0.3 and tall < 3.6) or rows == 1:
            options.append(_Layout(rows, columns, max(side, 0.3), crop_aspect, (aspect * tall, tall)))

    def worth(layout: _Layout) -> float:
        empty = layout.rows * layout.columns - count
        return layout.side * layout.crop_aspect + 0.1 * layout.rows - 0.05 * empty

    return max(options, key=worth)


def draw(panels: Sequence[Panel], out_png: Path, out_pdf: Path) -> None:
    """Draw panels below each other; the same panels give the same bytes."""
    if not panels:
        raise SrgridError(f"No images for {out_png}: a figure needs at least one.")
    layouts = [_layout(panel) for panel in panels]
    total = sum(layout.height for layout in layouts) + 0.1 * (len(panels) - 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, total), dpi=300)
        FigureCanvasAgg(figure)
        top = total
        for panel, layout in zip(panels, layouts, strict=True):
            _draw_panel(figure, panel, layout, top, total)
            top -= layout.height + 0.1
        with staged_file(Path(out_png)) as staged:
            figure.savefig(staged, format="png", metadata={"Software": None})
        nothing = dict.fromkeys(("Creator", "Producer", "CreationDate", "ModDate"))
        with staged_file(Path(out_pdf)) as staged:
            figure.savefig(staged, format="pdf", metadata=nothing)


def _draw_panel(figure: Figure, panel: Panel, layout: _Layout, top: float, total: float) -> None:
    def axes(x: float, y: float, w: float, h: float) -> Any:
        made = figure.add_axes((x / WIDTH, y / total, w / WIDTH, h / total))
        made.set(xticks=[], yticks=[])
        return made

    width, height = layout.image
    base = top - HEAD - height
    size = min(9.5, 930 / len(panel.title))
    figure.text(0, (top - 0.13) / total, panel.title, fontsize=size, va="center", weight="bold")
    x, y, w, h = panel.crop
    if panel.whole:
        whole = axes(0, base, width, height)
        _show(whole, panel.hr)
        for colour, line in (("white", 2.4), (ACCENT, 1.3)):
            whole.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=colour, linewidth=line))
        middle, below = width / 2 / WIDTH, (base - 0.06) / total
        figure.text(middle, below, f"{panel.name} (HR)", ha="center", va="top", style="italic")
    best = _best(panel)
    crops = layout.columns * layout.side * layout.crop_aspect + (layout.columns - 1) * CELL_GAP
    start = WIDTH - crops if panel.whole else 0.0
    for index, (name, image) in enumerate({"HR": panel.hr, **panel.srs}.items()):
        row, column = divmod(index, layout.columns)
        left = start + column * (layout.side * layout.crop_aspect + CELL_GAP)
        bottom = top - HEAD - layout.side - row * (layout.side + LABEL + CELL_GAP)
        cell = axes(left, bottom, layout.side * layout.crop_aspect, layout.side)
        _show(cell, image[y : y + h, x : x + w])
        middle = (left + layout.side * layout.crop_aspect / 2) / WIDTH
        weight = "bold" if name in best else "normal"
        text = "PSNR (dB) / SSIM" if index == 0 else _score_text(panel.scores.get(name))
        at: dict[str, Any] = {"ha": "center", "va": "top", "weight": weight}
        figure.text(middle, (bottom - 0.06) / total, name, **at)
        figure.text(middle, (bottom - 0.195) / total, text, fontsize=7.8, color="black" if index else "#444444", **at)


def _show(axes: Any, image: Image) -> None:
    shown = np.clip(np.floor(np.asarray(image, dtype=np.float64) + 0.5), 0, 255).astype(np.uint8)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, aspect="auto")
    for spine in axes.spines.values():
        spine.set(linewidth=0.4, edgecolor="#222222")


def _best(panel: Panel) -> set[str]:
    scored = {name: panel.scores[name].psnr for name in panel.srs if name in panel.scores}
    return {name for name, psnr in scored.items() if psnr == max(scored.values())} if len(scored) > 1 else set()


def _score_text(score: HasScore | None) -> str:
    if score is None:
        return "not scored"
    psnr = "∞" if np.isinf(score.psnr) else f"{score.psnr:.2f}"
    return f"{psnr} / {score.ssim:.4f}"


def figure(
    scores_csv: Path,
    hr_dir: Path,
    sr_dirs: Mapping[str, Path],
    *,
    dataset: str,
    scale: int,
    protocol: str,
    out_png: Path,
    out_pdf: Path,
    out_json: Path,
    images: Sequence[str] | None = None,
    crops: Mapping[str, Crop] | None = None,
    crop_side: int | None = None,
    whole: bool = True,
) -> None:
    """Draw a dataset's figure at one scale and write down in `out_json` what was chosen and why.

    Shown are the images of largest gain over bicubic, median and largest loss, unless `images` names others; each with
    the crop where the methods differ most, unless `crops` gives one (image -> x, y, width, height);
    `crop_side` is its side in HR pixels, by default about a fifth of the image. Without `whole`, only the crops are
    shown: for images that may not be passed on.
    `sr_dirs` maps each method, in the order shown, to its folder of SR images (PNG, or .npy float).
    """
    for out in (out_png, out_pdf, out_json):
        keep_apart(out, scores_csv, hr_dir, *sr_dirs.values())
    scores = recorded_scores(scores_csv)
    hr_folder, sr_folders = open_folders(hr_dir, sr_dirs)
    check_scored(tables_record(Path(scores_csv).parent), hr_folder, sr_folders, (dataset, scale, protocol))
    picked = choose_images(scores, dataset, scale, protocol)
    if images is not None:
        picked = [Choice("given by the caller", name, float("nan"), "") for name in images]
    rows = scores[(scores["dataset"] == dataset) & (scores["scale"] == scale) & (scores["protocol"] == protocol)]
    panels, notes = [], []
    for choice in picked:
        name = choice.image
        hr, srs = load_pair(hr_folder, sr_folders, name)
        found = rows[rows["image"] == name].itertuples(index=False)
        panel_scores = {str(r.method): PlainScore(float(r.psnr), float(r.ssim)) for r in found}  # type: ignore[arg-type]
        given = (crops or {}).get(name)
        title = f"{name} · {dataset} ×{scale}" + ("" if images is not None else f" · {choice_text(choice)}")
        panels.append(
            make_panel(name, hr, srs, panel_scores, crop=given, crop_side=crop_side, title=title, whole=whole)
        )
        why = "given by the caller" if given else "greatest variance of luma over the methods"
        value = round(choice.value, 6) if np.isfinite(choice.value) else None
        notes.append({"image": name, "role": choice.role, "value_db": value, "whose": choice.whose,
                      "crop": list(panels[-1].crop), "crop_rule": why})  # fmt: skip
    draw(panels, out_png, out_pdf)
    record = {
        "scores_sha256": file_digest(scores_csv),
        "sha256": {Path(file).name: file_digest(file) for file in (out_png, out_pdf)},
        "dataset": dataset,
        "scale": scale,
        "protocol": protocol,
        "methods": list(sr_dirs),
        "png": Path(out_png).name,
        "pdf": Path(out_pdf).name,
        "images": notes,
    }
    write_record(out_json, "figure", record)


def choice_text(choice: Choice) -> str:
    """Why an image is shown: "largest gain, +1.89 dB over bicubic (mean of a and b)"."""
    number = "∞" if np.isinf(choice.value) else f"{choice.value:{'' if 'PSNR' in choice.role else '+'}.2f}"
    over = "" if "PSNR" in choice.role else " over bicubic"
    return f"{choice.role}, {number} dB{over} ({choice.whose})"
