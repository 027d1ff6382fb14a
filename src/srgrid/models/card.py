"""The card of one model: what it is, how it is used and trained, as its weights say. Nothing imports torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from srgrid.markdown import code_block, md, shell_word
from srgrid.models.history import Model, duration, facts
from srgrid.references import bibtex, references

_KERNELS = {"matlab": "MATLAB's bicubic", "pillow": "Pillow's bicubic"}
TAGS = ("super-resolution", "image-super-resolution", "srgrid")


@dataclass(frozen=True)
class ModelCard:
    """A model alone, as its card shows it.

    files: its weights, one for each scale. at: what loads them: a hub id, "." for the card's own folder, or nothing
    where they are not with the card. front: keys of the front matter beside those that are always there. scores:
    Markdown. papers: BibTeX beside that of the network.
    """

    name: str
    files: Sequence[Model]
    at: str = "."
    front: Mapping[str, Any] = field(default_factory=dict)
    scores: str = ""
    papers: str = ""


def licence_of(files: Sequence[Model]) -> str:
    """That of all weights, if every record gives the same; else an empty text."""
    licences = {one.licence for one in files}
    return licences.pop() if len(licences) == 1 else ""


def license_keys(known: str) -> dict[str, str]:
    """The Hub's identifier, SPDX's in lower case; `other` with a name for what is none; nothing where none is known."""
    if not known or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", known):
        return {"license": known.lower()} if known else {}
    return {"license": "other", "license_name": known}


def front_text(front: Mapping[str, Any]) -> str:
    """Keys of the Hub's front matter as YAML."""
    return yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True, width=120)


def render(card: ModelCard) -> str:
    """The card as Markdown, with the Hub's front matter."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined,
                      trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)  # fmt: skip
    env.filters |= {"md": md, "shell": shell_word, "code_block": code_block}
    files, keys = card.files, list(dict.fromkeys(key for one in card.files for key in one.citations))
    known, licence = [key for key in keys if key in references()], licence_of(card.files)
    named = {one.sha256: f"{card.name} x{one.scale}" for one in files if one.sha256}
    front = {**license_keys(licence), "library_name": "srgrid", "pipeline_tag": "image-to-image", "tags": list(TAGS)}
    text = env.get_template("model_card.md.j2").render(
        name=card.name,
        at=card.at,
        files=files,
        front=front_text(front | dict(card.front)),
        abouts=list(dict.fromkeys(one.about for one in files if one.about)),
        scales=sorted({one.scale for one in files}),
        licence=licence,
        papers=[references()[key].short if key in references() else key for key in keys],
        names=[one.file for one in files],
        histories=[facts(one.training, named) for one in files],
        times=[duration(one.training.seconds) for one in files],
        degradations=list(dict.fromkeys(_made_by(d) for d in (f.training.degradation for f in files) if d)),
        scores=card.scores,
        bibtex="\n\n".join(dict.fromkeys(text for text in (*bibtex(known), card.papers) if text)),
        in_words=_in_words,
        commands=_commands(card),
        python=_python(card.at or files[-1].file, files[-1].scale),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _in_words(scales: Sequence[int]) -> str:
    *most, last = map(str, scales)
    return f"{', '.join(most)} or {last}" if most else last


def _python(source: str, scale: int) -> str:
    lines = ["import srgrid.models", "from PIL import Image", ""]
    lines.append(f"model = srgrid.models.load({json.dumps(source, ensure_ascii=False)}, scale={scale})")
    return "\n".join([*lines, f'model.upscale(Image.open("photo.png")).save("photo_x{scale}.png")'])


def _commands(card: ModelCard) -> str:
    """One for each scale."""
    sources = [(one.scale, shell_word(card.at or one.file)) for one in card.files]
    return "\n".join(f"srgrid upscale photo.png photo_x{s}.png --model {source} --scale {s}" for s, source in sources)


def _made_by(degradation: Mapping[str, Any]) -> str:
    name = str(degradation["name"])
    return _KERNELS.get(name, f"the degradation {name}")
