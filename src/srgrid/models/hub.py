"""Networks to and from the Hugging Face hub, and folders as a repository of it: weights, config.json, README.md."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.models.architecture import written
from srgrid.models.card import ModelCard, render
from srgrid.models.find import CONFIG, WEIGHTS, of_scale, weights_of
from srgrid.models.history import read_model
from srgrid.models.record import WeightsRecord
from srgrid.records import file_digest

if TYPE_CHECKING:
    from torch import nn


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
        if one := get(weights_of(scale)):
            return one, None
        return Path(hf_hub_download(hub_id, of_scale(scale))), None
    except (OSError, ValueError) as error:  # ValueError: no valid repository id
        raise SrgridError(
            f"model {hub_id!r}: there is no such local folder, and the hub does not give it ({_reason(error)})"
        ) from None


def save_folder(folder: Path, module: nn.Module, record: WeightsRecord, at: str = ".") -> None:
    """Write a network as a folder that `srgrid.models.load` and the hub take, with its card; a README.md that is there
    stays.

    at: what loads it, as the card says: the folder itself, or a hub id.
    """
    from srgrid.models.weights import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / WEIGHTS, module, record)
    texts = {CONFIG: config_text(record)}
    if not (folder / "README.md").exists():
        texts["README.md"] = _readme(folder / WEIGHTS, module, record, at)
    for file, text in texts.items():
        with staged_file(folder / file) as staged:
            staged.write_text(text)


def config_text(record: WeightsRecord) -> str:
    """What stands in config.json beside weights."""
    return json.dumps({"architecture": record.architecture, **written(record.config)}, indent=2, sort_keys=True) + "\n"


def push(hub_id: str, module: nn.Module, record: WeightsRecord, **options: Any) -> str:
    """Upload a network to a repository, which is made if need be; returns the address of the commit.

    options: private and token, as huggingface_hub takes them. Raises SrgridError with its message if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_folder(Path(folder), module, record, hub_id)
        files = {file.name: file for file in sorted(Path(folder).iterdir())}
        return push_files(hub_id, files, **options)


def push_files(hub_id: str, files: Mapping[str, Path], *, pr: bool = False, **options: Any) -> str:
    """Upload files under their names in a repository, which is made if need be; returns the address of the commit.

    pr: open a pull request on a repository that is there. options: private and token, as huggingface_hub takes them.
    Raises SrgridError with the hub's message if it fails.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    try:
        api = HfApi(token=options.get("token"))
        if not pr:
            hub_id = api.create_repo(hub_id, private=options.get("private"), exist_ok=True).repo_id
        added = [CommitOperationAdd(name, file) for name, file in files.items()]
        done = api.create_commit(hub_id, added, commit_message="Push with srgrid", create_pr=pr)
        return str(done.pr_url if pr else done.commit_url)
    except (OSError, ValueError, _client_error()) as error:
        again = "see to the network and the token, and push again"
        raise SrgridError(f"{hub_id}: not pushed to the hub ({_reason(error)}); {again}") from None


def _client_error() -> type[Exception]:
    """What the hub's HTTP client raises where it gets no answer; which client that is depends on the hub's version."""
    from huggingface_hub.errors import HfHubHTTPError

    base = HfHubHTTPError.__bases__[0]
    assert issubclass(base, Exception)
    return base


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _readme(file: Path, module: nn.Module, record: WeightsRecord, at: str) -> str:
    """The card of a network that has just been written."""
    said = {"method": record.name or record.architecture, "scale": record.config.scale, "file": file.name}
    said |= {"sha256": file_digest(file), "architecture": record.architecture, "config": written(record.config)}
    said |= {"parameters": sum(one.numel() for one in module.parameters()), "licence": record.licence}
    model = read_model(said | {"provenance": record.provenance, "measured": {"measured": record.measured}})
    return render(ModelCard(f"{model.method} x{model.scale}", [model], at))
