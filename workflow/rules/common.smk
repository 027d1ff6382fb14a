"""Paths, wildcards, targets: what the other rule files share."""

import functools
import gc
import hashlib
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from srgrid import cards, given, plan
from srgrid.choices import choice_definitions, choices
from srgrid.code import code_identity
from srgrid.config import check, coerced
from srgrid.configuration import MOVED
from srgrid.data import registry
from srgrid.data.fingerprint import fingerprint
from srgrid.degrade import degradations
from srgrid.errors import SrgridError
from srgrid.lock import hold
from srgrid.metrics import get_metrics
from srgrid.protocols import protocols
from srgrid.models.entry import Entry
from srgrid.models.find import locate
from srgrid.networks import names as model_names
from srgrid.plan import BASELINE, COMPUTED
from srgrid.records import content_digest, file_digest

# What is loaded by now stays: the collector would walk it again and again while hundreds of jobs are planned.
gc.freeze()


def or_stop(function, *arguments, **options):
    """Call a library function; report bad input as Snakemake reports errors, without a traceback."""
    try:
        return function(*arguments, **options)
    except SrgridError as error:
        raise WorkflowError(str(error)) from None


SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
config.update(or_stop(coerced, config, SCHEMA))
or_stop(check, config, SCHEMA, MOVED)
MIRROR = config["mirror"] or os.environ.get("SRGRID_MIRROR")
or_stop(plan.require, config, choice_definitions(), MIRROR, model_names(), Path(workflow.basedir))

RUN = Path("results") / config["run"]
RESOURCES = Path("resources")
DEFINITIONS = {**choice_definitions(), **config["define_protocols"]}
PROTOCOLS = protocols(DEFINITIONS)
METRICS = get_metrics(config["metrics"])
DEGRADATIONS = degradations(config["define_degradations"])
# Folders of the usual degradation have no name for it.
TRAINED_ON = "" if config["train"]["degradation"] == "matlab" else f"_{config['train']['degradation']}"
TRAINING_SET = "+".join(config["train"]["images"]) + TRAINED_ON
COMPUTE = config["compute"]
# GPUs that a step which runs a network asks for: of a scheduler, whose machines this one need not be like, or of this
# machine, which gives as many as it has.
GPU = int(COMPUTE["device"] != "cpu")
CARDS = cards.shown().number if GPU else 0
if workflow.local_exec and not workflow.remote_exec and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", CARDS if COMPUTE["device"] == "auto" else max(GPU, CARDS))


@functools.cache
def dataset(name):
    """The registry's entry of a data set, a config's own, or a folder of the mirror."""
    return registry.resolve(name, MIRROR, config["define_datasets"])


@functools.cache
def source_of(name):
    """What a data set is made from: another mirror, or another file in it, fetches the set again."""
    return or_stop(fingerprint, name, MIRROR, config["define_datasets"])


def code(step):
    """What a rule's params say of the code behind it: results of another version are made again."""
    return json.dumps(code_identity(f"srgrid.{step}"))


wildcard_constraints:
    dataset="[A-Za-z0-9][A-Za-z0-9.+_-]*",
    scale=r"\d+",
    model="|".join(map(re.escape, config["methods"])),
    protocol="|".join(map(re.escape, PROTOCOLS)),
    degradation="|".join(map(re.escape, DEGRADATIONS)),


# `srgrid` in the rules: this interpreter's, or with --sdm conda that of the rule's environment; always this source tree.
PYTHON = "python" if workflow.deployment_settings.deployment_method else shlex.quote(sys.executable)
SOURCE = shlex.quote(str(Path(workflow.basedir) / "src"))
# In place of Snakemake's own prefix: `set -euo pipefail` has to be said again, or a step that ends in a pipe never fails.
shell.prefix(
    f'set -euo pipefail; export PYTHONPATH={SOURCE}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; srgrid() {{{{ {PYTHON} -m srgrid "$@"; }}}}; '
)


def cells():
    """(dataset, scale) of every row of the grid."""
    return plan.cells(config, dataset)


def hr_dir(name):
    return RESOURCES / "HR" / name


def verified(name):
    return RESOURCES / "verified" / f"{name}.json"


def sr_dir(model, protocol, dataset, scale):
    """Where the SR images that a protocol scores are."""
    if model in config["sr"]:
        return RUN / "SR" / model / "given" / dataset / f"x{scale}"
    definition = PROTOCOLS[protocol]
    kind = f"{definition.degradation}-{plan.stored(model, definition)}"
    return RUN / "SR" / model / kind / dataset / f"x{scale}"


def given_dir(model, dataset, scale):
    """Where another program's finished SR images are."""
    return given.folder_of(config["sr"][model], dataset, scale, Path(workflow.basedir))


def lr_origin(name):
    """The data set whose HR images a data set's LR ones are made from: Urban100-half's are Urban100's, at twice the scale."""
    return dataset(name).lr_of or name


def weights_file(model, scale):
    """Given weights, or those that this run trains; none for what is computed without a network."""
    if model in COMPUTED:
        return []
    if model in config["weights"]:
        return plan.weights_path(config["weights"][model], scale, Path(workflow.basedir))  # or a Python entry
    return RUN / "weights" / f"{model}_x{scale}.safetensors"


def weights_inputs(model, scale):
    """The files that a network is read from: its weights, or the code and weights of a Python entry."""
    given = weights_file(model, scale)
    entry = Entry.of(str(given)) if model in config["weights"] else None
    return or_stop(entry.files) if entry else given


def device(resources):
    """What a job computes on: a GPU that it was given has to be there."""
    return COMPUTE["device"] if COMPUTE["device"] != "auto" else "cuda" if resources.gpu else "cpu"


def own_degradation(name):
    """What a command needs to know a degradation by its name, as JSON: another definition makes the images again."""
    own = config["define_degradations"]
    return json.dumps({name: own[name]} if name in own else {})


@functools.cache
def given_digest(model, scale):
    """sha256 of given weights: a file that is replaced under an old date is noticed. Trained ones are known by their inputs."""
    if model not in config["weights"]:
        return ""
    files = or_stop(locate, weights_file(model, scale), int(scale)).files
    return hashlib.sha256("".join(or_stop(content_digest, path) for path in files).encode()).hexdigest()


@functools.cache
def reader(model, scale):
    """The package that reads given weights which are not srgrid's own, with its version: another one upscales again."""
    return or_stop(locate, weights_file(model, scale), int(scale)).reader if model in config["weights"] else ""


def templates_digest():
    """sha256 over a folder of templates."""
    files = (
        sorted(path for path in Path(config["templates"]).rglob("*") if path.is_file()) if config["templates"] else []
    )
    return hashlib.sha256("".join(f"{path} {file_digest(path)}" for path in files).encode()).hexdigest()


def rgb_range(model):
    """The range of values that given weights compute in, where the config says it."""
    given = config["upscale"]["rgb_range"].get(model)
    return f"--rgb-range {given}" if given else ""


def tile(model):
    """The side of tiles, where the config asks for them."""
    side = config["upscale"]["tile"].get(model)
    return f"--tile {side}" if side else ""


def warm_start(wildcards):
    """The weights a training starts from: those of the scale that train.init names, or none."""
    origin = {str(key): value for key, value in config["train"]["init"].items()}.get(wildcards.scale)
    return weights_file(wildcards.model, origin) if origin else []


def trained_weights():
    scales = sorted({scale for _, scale in cells()})
    return [weights_file(model, scale) for model in plan.trained(config) for scale in scales]


def weights_by_column():
    """(method, scale) of every column that a network makes, and its weights file."""
    scales = sorted({scale for _, scale in cells()})
    return {(method, scale): weights_file(method, scale) for method in plan.networks(config) for scale in scales}


def priced_columns():
    """METHOD:SCALE=MODEL of every column, for `srgrid cost`. Bicubic is what the first protocol's degradation has it be."""
    bicubic = DEGRADATIONS[PROTOCOLS[config["protocols"][0]].degradation].enlarger
    models = {BASELINE: f"bicubic-{bicubic}"} | {method: method for method in COMPUTED[1:]}
    models |= dict.fromkeys(config["sr"], "")
    return [
        shlex.quote(f"{method}:{scale}={models.get(method, weights_file(method, scale))}")
        for method in config["methods"]
        for scale in sorted({scale for _, scale in cells()})
    ]


def cost_options():
    """What `srgrid cost` is told of the config."""
    how = config["costs"]
    size = " ".join(map(str, how["size"]))
    numbers = f"--size {size} --warmup {how['warmup']} --repeats {how['repeats']}"
    baseline = f"--baseline {shlex.quote(how['baseline'])}" if how["baseline"] else ""
    return f"{'--measure' if how['measure'] else ''} {numbers} {baseline}"


def sr_dirs(wildcards, protocols):
    """The folders of SR images that protocols score, each once."""
    w = wildcards
    return list(dict.fromkeys(sr_dir(w.model, protocol, w.dataset, w.scale) for protocol in protocols))


def cell_options(wildcards, protocols):
    """The same as `srgrid cells` takes them."""
    w = wildcards
    return [
        f"--cell {protocol}={shlex.quote(str(sr_dir(w.model, protocol, w.dataset, w.scale)))}" for protocol in protocols
    ]


def score_tables(dataset, scale, method, protocols):
    """The scores of a method's images of one data set at one scale, a table for each protocol."""
    return [RUN / "scores" / protocol / f"{dataset}_x{scale}_{method}.csv" for protocol in protocols]


def records(tables):
    """The records beside tables of scores."""
    return [table.with_suffix(".json") for table in tables]


def score_files():
    return [
        table
        for dataset, scale in cells()
        for method in config["methods"]
        for table in score_tables(dataset, scale, method, config["protocols"])
    ]


def choice_protocols():
    """The protocols that the audit compares and the grid lacks."""
    named = {name for choice in choices() for name in (choice.before, choice.after)}
    return sorted(named - set(config["protocols"])) if config["audit"] else []


def choice_scores():
    """Scores of bicubic under them."""
    return [table for name, scale in cells() for table in score_tables(name, scale, BASELINE, choice_protocols())]


def remake_command():
    """What re-makes this run, as a user would type it."""
    return plan.remake_command(workflow.configfiles, workflow.config_settings.config, Path(workflow.basedir))


def card_files():
    return [RUN / name for name in ("grid.csv", "scores.csv", "model_card.md", "model_card.html", "provenance.json")]


def hold_folder():
    """One run at a time in this folder. The kernel drops this lock with the process, however it ends."""
    lock_file = Path(".snakemake/srgrid.lock").open("w")
    if not hold(lock_file, wait=False):
        raise WorkflowError("another srgrid run is at work in this folder; wait for it, or use --directory")
    workflow.srgrid_lock = lock_file


def warn_of_months():
    if workflow.local_exec and trained_weights() and not CARDS and plan.training(config).takes_a_gpu:
        logger.warning(
            f"No GPU is used here: with recipe {config['train']['recipe']!r}, training takes months on a CPU."
            " config/published.yaml is a run that trains nothing."
        )


# The only one: Snakemake runs the last `onstart` of all files.
onstart:
    hold_folder()
    warn_of_months()
