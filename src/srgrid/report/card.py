"""The model card: Markdown for the Hugging Face Hub, and one self-contained HTML page."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
)
from markupsafe import Markup

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.markdown import code_block, md, shell_word
from srgrid.models.history import plain
from srgrid.records import flatten
from srgrid.report import origins, views
from srgrid.report.cardata import CardData, gather
from srgrid.report.control import controls
from srgrid.report.costs import cost_table
from srgrid.report.differences import differences, tally
from srgrid.report.frontmatter import front_matter
from srgrid.report.page import data_link, page_data, script_json
from srgrid.report.selection import GIVEN
from srgrid.report.standing import ranked, standings
from srgrid.report.tables import BASELINE

PAGE_BUDGET = 14_000_000  # bytes of embedded previews; the page stays under 15 MB


def build_card(
    run_dir: Path,
    *,
    out_md: Path | None = None,
    out_html: Path | None = None,
    templates: Path | None = None,
    title: str | None = None,
    missing: Iterable[Mapping[str, Any]] = (),
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Make `model_card.md` and `model_card.html` of a run directory from its tables and previews alone.

    `templates` is a folder whose files stand in for the built-in templates of the same name; `missing` gives reasons
    for cells that were not run (see `cardata.gather`); `meta` adds to or replaces keys of the front matter.
    Raises SrgridError when a table is missing, damaged or out of date, or a template fails.
    """
    run_dir = Path(run_dir)
    context = _context(gather(run_dir, title=title, missing=missing, meta=meta))
    texts = {
        out_md or run_dir / "model_card.md": _markdown(context, templates),
        out_html or run_dir / "model_card.html": _html(context, templates),
    }
    for path, text in texts.items():
        with staged_file(Path(path)) as staged:
            staged.write_text(text, encoding="utf-8")


def render_markdown(data: CardData, templates: Path | None = None) -> str:
    """The card as Markdown with the Hub's front matter (`model-index` included)."""
    return _markdown(_context(data), templates)


def render_grid(data: CardData, templates: Path | None = None) -> str:
    """The Hub's front matter and the grid alone as Markdown, for a card of one's own words."""
    env = _environment(templates, autoescape=False)
    return _tidy(f"---\n{front_matter(data)}---\n\n" + _render(env, "grid.md.j2", _context(data)))


def render_part(name: str, context: Mapping[str, Any], templates: Path | None = None) -> str:
    """One of the Markdown templates with what it shows."""
    return _render(_environment(templates, autoescape=False), name, context)


def render_html(data: CardData, templates: Path | None = None) -> str:
    """The card as one HTML file that asks nothing of the network."""
    return _html(_context(data), templates)


def _markdown(context: Mapping[str, Any], templates: Path | None) -> str:
    env = _environment(templates, autoescape=False)
    text = _render(env, "card.md.j2", {**context, "front_matter": front_matter(context["data"])})
    return _tidy(text)


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _html(context: Mapping[str, Any], templates: Path | None) -> str:
    env, data = _environment(templates, autoescape=True), context["data"]
    downloads = {name: data_link(text, "text/csv;charset=utf-8") for name, text in data.downloads.items()}
    downloads["references.bib"] = data_link(context["bibtex"], "text/plain;charset=utf-8")
    more = {
        "parts": {name: Markup(_source(env, name)) for name in ("page.css", "page.js", "compare.js", "plots.js")},
        "downloads": downloads,
        "page_data": script_json(page_data(data, PAGE_BUDGET)),
        "facts": {key: plain(value) for key, value in sorted(flatten(data.provenance).items())},
    }
    return _render(env, "card.html.j2", {**context, **more})


def _environment(templates: Path | None, *, autoescape: bool) -> Environment:
    loaders: list[BaseLoader] = [PackageLoader("srgrid.report")]
    if templates is not None:
        if not Path(templates).is_dir():
            raise SrgridError(f"{templates} is no folder of templates: give one, or leave the key out.")
        loaders.insert(0, FileSystemLoader(templates))
    env = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["md"] = md
    env.filters["shell"] = shell_word
    env.filters["code_block"] = code_block
    return env


def _source(env: Environment, name: str) -> str:
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]


def _render(env: Environment, name: str, context: Mapping[str, Any]) -> str:
    try:
        return env.get_template(name).render(context)
    except TemplateError as error:
        raise SrgridError(
            f"The template {name} fails ({error}): mend it, or remove it from the templates folder."
        ) from None


def _context(data: CardData) -> dict[str, Any]:
    """What the templates of both cards show; everything is worked out once."""
    table, found, columns = views.rows(data), origins.origins(data), origins.method_views(data)
    apart = differences(data.scores, [data.headline], [data.protocol])
    drawn = [image for record in (*data.figures, *data.previews) for image in record["images"]]
    return {
        "data": data,
        "rows": table,
        "origins": found,
        "matrix": views.gain_matrix(data, table),
        "methods": columns,
        "descriptions": origins.descriptions(columns),
        "scored_elsewhere": origins.scored_elsewhere(data),
        "reductions": list(dict.fromkeys(origins.degradations(data).values())),
        "named_in_config": any(GIVEN in (image["role"], image.get("crop_rule")) for image in drawn),
        "protocols": {name: data.protocols.get(name, {}).get("about", "") for name in data.order["protocol"]},
        "citations": {name: origins.cited(data, str(name)) for name in data.order["dataset"]},
        "verdicts": views.audit_verdicts(data),
        "effects": views.audit_effects(data),
        "controls": controls(data),
        "differences": apart,
        "tally": tally(apart),
        "effect_cells": views.effect_cells(data),
        "standings": standings(data),
        "ranked": ranked(data),
        "costs": cost_table(data.costs),
        "timed": next((row for row in data.costs if row.seconds is not None), None),
        "scored_against": data.provenance["config"].get("costs", {}).get("baseline", ""),
        "left_out": list(dict.fromkeys(data.left_out.values())),
        "not_here": sorted({p.method for p in data.published} - set(data.order["method"])),
        "baseline": BASELINE,
        "printed": list(dict.fromkeys((value.label, value.method) for value in data.published)),
        "sources": list(dict.fromkeys((value.title, value.url) for value in data.published)),
        "notes": list(dict.fromkeys(value.note for value in data.published if value.note)),
        "filled": sum(not cell.missing for row in table for cell in row.cells),
        "total": sum(len(row.cells) for row in table),
        "bibtex": origins.all_bibtex(data),
        "command": data.provenance.get("command", ""),
    }
