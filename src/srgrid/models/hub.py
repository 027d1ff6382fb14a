"""Models as the Hugging Face Hub keeps them: a folder with model.safetensors, config.json and README.md."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import yaml
from torch import nn

from srgrid.errors import SrgridError
from srgrid.locate import SAVED, SAVED_CONFIG, super_images
from srgrid.models import weights
from srgrid.models.record import WeightsRecord

_CARD = """---
{front_matter}---

# {name}

A super-resolution network of the architecture {architecture}. `srgrid.models.load("{id}", scale={scale})` reads it.
"""


def save(folder: Path, module: nn.Module, record: WeightsRecord, hub_id: str = "") -> None:
    """Write a model into a folder, made if it is not there; files of other names stay."""
    folder.mkdir(parents=True, exist_ok=True)
    weights.save(folder / SAVED, module, record)
    (folder / SAVED_CONFIG).write_text(json.dumps(dict(record.config), indent=2, sort_keys=True) + "\n")
    about = {"library_name": "srgrid", "pipeline_tag": "image-to-image", "tags": ["image-super-resolution", "srgrid"]}
    text = _CARD.format(
        front_matter=yaml.safe_dump(about, sort_keys=False),
        name=record.name or record.architecture,
        architecture=record.architecture,
        id=hub_id or folder,
        scale=record.config.get("scale"),
    )
    (folder / "README.md").write_text(text)


def push(hub_id: str, module: nn.Module, record: WeightsRecord) -> None:
    """Upload a model to a repository of the hub, made if it is not there."""
    from huggingface_hub import HfApi

    api = HfApi()
    repository = api.create_repo(hub_id, exist_ok=True).repo_id
    with tempfile.TemporaryDirectory() as room:
        save(Path(room), module, record, repository)
        api.upload_folder(repo_id=repository, folder_path=room, commit_message=f"{record.name or 'Model'} by srgrid")


def download(hub_id: str, scale: int) -> tuple[Path, Path | None]:
    """Fetch a model's weights and, if they are srgrid's, its config.json; the client keeps both in its cache.

    Raises SrgridError if there is no such repository, or no weights in it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    def fetched(name: str) -> Path | None:
        try:
            return Path(hf_hub_download(hub_id, name))
        except EntryNotFoundError:
            return None

    try:
        file = fetched(SAVED)
        if file is not None:
            return file, fetched(SAVED_CONFIG)
        return Path(hf_hub_download(hub_id, super_images(scale))), None
    except (OSError, ValueError) as error:  # ValueError: no valid repository id
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SrgridError(
            f"model {hub_id!r}: no such local folder, and not to be had from the hub ({reason})"
        ) from None
