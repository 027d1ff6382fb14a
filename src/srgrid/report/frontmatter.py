"""What the Hugging Face Hub reads at the head of a card."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from srgrid.models.card import TAGS, front_text, license_keys
from srgrid.report.cardata import CardData
from srgrid.report.origins import licence, training_sets
from srgrid.report.tables import BASELINE


def front_matter(data: CardData) -> str:
    """The Hub's YAML: license if it is known, tags, datasets, metrics, pipeline tag; `data.meta` has the last word.

    A model-index is there if the run has one model: the Hub's readers take several for results of the last of them.
    """
    card: dict[str, Any] = {
        **license_keys(licence(data)),
        "library_name": "srgrid",
        "pipeline_tag": "image-to-image",
        "tags": list(TAGS),
        **results_keys(data, training_sets(data), data.methods or [BASELINE]),
    }
    return front_text(card | data.meta)


def results_keys(data: CardData, trained_on: Sequence[str], methods: Sequence[str]) -> dict[str, Any]:
    """The keys `datasets` (those that the Hub has), `metrics` and, of one method, `model-index`."""
    hub = [hub_id(data, name) for name in [*trained_on, *data.order["dataset"]]]
    datasets = list(dict.fromkeys(name for name in hub if name))
    index = model_index(data, methods[0]) if len(methods) == 1 else []
    keys = {"datasets": datasets, "metrics": [metric.name for metric in data.metrics], "model-index": index}
    return {key: value for key, value in keys.items() if value}


def hub_id(data: CardData, dataset: str) -> str:
    """The Hub's repository of a data set; empty if none is known."""
    return data.datasets[dataset].hub if dataset in data.datasets else ""


def slug(name: str) -> str:
    """A name in lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def model_index(data: CardData, method: str) -> list[dict[str, Any]]:
    """The entry of a model, one result per dataset and scale under the headline protocol; none without a cell."""
    cells = data.grid[(data.grid["method"] == method) & (data.grid["protocol"] == data.protocol)]
    results = [_result(data, row) for row in cells.to_dict("records")]
    return [{"name": str(method), "results": results}] if results else []


def _result(data: CardData, row: Mapping[Any, Any]) -> dict[str, Any]:
    name, protocol = str(row["dataset"]), str(row["protocol"])
    metrics = []
    for metric in data.metrics:
        value = float(row[metric.name])
        shown = round(value, metric.printed + 2) if math.isfinite(value) else str(value)
        arguments = {"protocol": protocol, "images": int(row["images"])}
        metrics.append({"type": metric.name, "value": shown, "name": f"{metric.label} ({protocol})", "args": arguments})
    return {
        "task": {"type": "image-to-image", "name": f"Image super-resolution x{row['scale']}"},
        "dataset": {
            "type": hub_id(data, name) or slug(name) or "unnamed",
            "name": name,
            "config": f"bicubic_x{row['scale']}",
            "split": "validation",
        },
        "metrics": metrics,
    }
