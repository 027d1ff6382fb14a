"""Networks to and from the Hugging Face hub, and folders as a repository of it: weights, config.json, README.md."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.models.architecture import written
from srgrid.models.find import CONFIG, WEIGHTS, of_scale
from srgrid.models.record import WeightsRecord
from srgrid.models.weights import save
from srgrid.networks import ARCHITECTURES


def fetch(hub_id: str, scale: int) -> tuple[Path, Path | None]:
    """A repository's weights for a scale, and its config.json if they are ours, downloaded if need be.

    Raises SrgridError if it cannot be had, or holds no weights.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    def get(name: str) -> Path | None:
        try:
            return Path(hf_hub_download(hub_id, name))
        except EntryNotFoundError:
            return None

    try:
        if own := get(WEIGHTS):
            return own, get(CONFIG)
        return Path(hf_hub_download(hub_id, of_scale(scale))), None
    except (OSError, ValueError) as error:  # ValueError: no valid repository id
        raise SrgridError(
            f"model {hub_id!r}: there is no such local folder, and the hub does not give it ({_reason(error)})"
        ) from None


def save_folder(folder: Path, module: nn.Module, record: WeightsRecord, name: str = "") -> None:
    """Write a network as a folder that `srgrid.models.load` and the hub take; a README.md that is there stays.

    name: what to call the folder in the README's example.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / WEIGHTS, module, record)
    config = {"architecture": record.architecture, **written(record.config)}
    texts = {CONFIG: json.dumps(config, indent=2, sort_keys=True) + "\n"}
    if not (folder / "README.md").exists():
        texts["README.md"] = _readme(record, name or str(folder))
    for file, text in texts.items():
        with staged_file(folder / file) as staged:
            staged.write_text(text)


def push(hub_id: str, module: nn.Module, record: WeightsRecord, **options: Any) -> str:
    """Upload a network to a repository, which is made if need be; returns the address of the commit.

    options: private and token, as huggingface_hub takes them. Raises SrgridError with its message if it fails.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=options.get("token"))
        repository = api.create_repo(hub_id, private=options.get("private"), exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            save_folder(Path(folder), module, record, repository)
            return str(api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Push with srgrid"))
    except (OSError, ValueError) as error:
        raise SrgridError(f"model {hub_id!r}: not pushed to the hub ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _readme(record: WeightsRecord, name: str) -> str:
    licence = [f"license: {record.licence.lower()}"] if record.licence else []
    head = ["---", "library_name: srgrid", *licence, "tags:", "- image-super-resolution", "---"]
    scale = record.config.scale
    title = f"# {record.name or record.architecture} x{scale}"
    code = f"model = srgrid.models.load({name!r}, scale={scale})"
    use = ["```python", "import srgrid.models", "", code, "```"]
    about = ARCHITECTURES[record.architecture].about(record.config)
    return "\n".join([*head, "", title, "", about, "", *use, ""])
