"""Paths, wildcards, targets: what the other rule files share."""

import functools
import gc
import hashlib
import inspect
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.common import get_function_params, overwrite_function_params
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.io import flag, is_flagged
from snakemake.logging import get_event
from snakemake.resources import Resource
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

if "SRGRID_MIRROR" in os.environ:

    envvars:
        "SRGRID_MIRROR",


# Beside the code of a checkout, the rules call that code; elsewhere (laid out, a module from a host), an installed srgrid.
HERE = workflow.current_basedir
ROOT = Path(HERE).parents[1] if HERE.is_local else Path.cwd()
SOURCE = str(ROOT / "src") if (ROOT / "src/srgrid").is_dir() else ""
if SOURCE:
    sys.path.insert(0, SOURCE)

from srgrid import cards, given, plan
from srgrid.choices import choice_definitions, choices
from srgrid.code import code_identity
from srgrid.config import check, coerced
from srgrid.configuration import MOVED, filled
from srgrid.data import registry
from srgrid.data.fingerprint import fingerprint
from srgrid.degrade import degradations
from srgrid.errors import SrgridError
from srgrid.installed import shared
from srgrid.lock import hold
from srgrid.metrics import get_metrics
from srgrid.protocols import protocols
from srgrid.models.entry import Entry
from srgrid.models.find import locate
from srgrid.networks import names as model_names
from srgrid.plan import BASELINE, COMPUTED
from srgrid.records import content_digest, file_digest
from srgrid.report.curves import files_beside

# What is loaded by now stays, and so do the jobs that are planned: the collector would walk them again and again.
gc.freeze()
gc.set_threshold(100_000, 50, 1000)


def or_stop(function, *arguments, **options):
    """Call a library function; report bad input as Snakemake reports errors, without a traceback."""
    try:
        return function(*arguments, **options)
    except SrgridError as error:
        raise WorkflowError(str(error)) from None


SCHEMA = Path(workflow.source_path("../schemas/config.schema.yaml"))  # a copy of it
config = or_stop(coerced, filled(config), SCHEMA)  # another dict: of a module, it is the outer workflow's
or_stop(check, config, SCHEMA, MOVED)
MIRROR = config["mirror"] or os.environ.get("SRGRID_MIRROR")
# Where weights and SR images are that the config names by a relative path and the working directory has not.
SHIPPED = shared()
or_stop(plan.require, config, choice_definitions(), MIRROR, model_names(), SHIPPED)

RUN = Path("results") / config["run"]
RESOURCES = Path("resources")
DEFINITIONS = {**choice_definitions(), **config["define_protocols"]}
PROTOCOLS = protocols(DEFINITIONS)
METRICS = get_metrics(config["metrics"])
DEGRADATIONS = degradations(config["define_degradations"])
# Folders of the usual degradation have no name for it.
TRAINED_ON = "" if config["train"]["degradation"] == "matlab" else f"_{config['train']['degradation']}"
TRAINING_IMAGES = "+".join(config["train"]["images"])
TRAINING_SET = TRAINING_IMAGES + TRAINED_ON
COMPUTE = config["compute"]
MODULES = config["software"]["modules"]
# Of memory (MB) a job takes: numpy and images; PyTorch, or many images. A retry takes as much again (profiles/slurm).
PLAIN, LARGE = 2000, 4000
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


@functools.cache
def called():
    """What stands for srgrid in a shell command, this interpreter, or that of the environment or container of a step.

    pipefail: the workflow that this one is a module of may have another shell prefix.
    """
    python = "python" if workflow.deployment_settings.deployment_method else shlex.quote(sys.executable)
    source = f"PYTHONPATH={shlex.quote(SOURCE)}${{PYTHONPATH:+:$PYTHONPATH}} " if SOURCE else ""
    return f"set -euo pipefail; {source}{python} -m srgrid"


def program(wildcards, threads):
    """The same as a param. One that takes `threads` is not compared: results stay when it is called from elsewhere."""
    return called()


def cells():
    """(dataset, scale) of every row of the grid."""
    return plan.cells(config, dataset)


def hr_dir(name):
    return RESOURCES / "HR" / name


def verified(name):
    return RESOURCES / "verified" / f"{name}.json"


@functools.cache
def sr_dir(model, protocol, dataset, scale):
    """Where the SR images that a protocol scores are: text, because the paths of a large run would take megabytes."""
    definition = PROTOCOLS[protocol]
    kind = "given" if model in config["sr"] else f"{definition.degradation}-{plan.stored(model, definition)}"
    return f"{RUN}/SR/{model}/{kind}/{dataset}/x{scale}"


def given_dir(model, dataset, scale):
    """Where another program's finished SR images are."""
    return given.folder_of(config["sr"][model], dataset, scale, SHIPPED)


def lr_origin(name):
    """The data set whose HR images a data set's LR ones are made from: Urban100-half's are Urban100's, at twice the scale."""
    return dataset(name).lr_of or name


@functools.cache
def weights_file(model, scale):
    """Given weights, or those that this run trains; none for what is computed without a network."""
    if model in COMPUTED:
        return []
    if model in config["weights"]:
        return plan.weights_path(config["weights"][model], scale, SHIPPED)  # or a Python entry
    return RUN / "weights" / f"{model}_x{scale}.safetensors"


def weights_inputs(model, scale):
    """The files that a network is read from: its weights, or the code and weights of a Python entry.

    Given ones lie where they lie: in no storage, under no module's prefix.
    """
    given = weights_file(model, scale)
    if model not in config["weights"]:
        return [given] if given else []
    entry = Entry.of(str(given))
    return [local(str(file)) for file in (or_stop(entry.files) if entry else [given])]


def given_logs():
    """The logs of given weights' trainings that lie beside them, for the page."""
    weights = [weights_file(model, scale) for model, scale in weights_by_column() if model in config["weights"]]
    return [local(str(file)) for one in weights for file in files_beside(one)]


def placed(path, inputs):
    """Where a job finds a file that this run makes: a module's prefix, or a storage's folder, may stand before it."""
    return next(name for name in inputs if name.endswith(str(path)))


def model_argument(model, scale, inputs):
    """A method's model as commands take it: weights, an entry, or the name of an interpolator."""
    if model not in plan.networks(config):
        return model
    file = weights_file(model, scale)
    return str(file) if model in config["weights"] else placed(file, inputs)


def state_folder(wildcards, output):
    """Where a training keeps its checkpoints: beside its outputs, which Snakemake deletes, or where the config says."""
    kept = config["train"]["state"]
    run = Path(kept) / config["run"] if kept else Path(output.weights).parents[1] / "state"
    return run / f"{wildcards.model}_x{wildcards.scale}"


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


@functools.cache
def upscale_options(model):
    """What the config says of how a model is run, as `srgrid upscale` takes it."""
    how = config["upscale"]
    rgb_range, side = how["rgb_range"].get(model), how["tile"].get(model)
    given = [f"--rgb-range {rgb_range}" if rgb_range else "", f"--tile {side}" if side else ""]
    ensemble = "--ensemble" if how["ensemble"] else ""
    return " ".join(filter(None, [f"--precision {COMPUTE['precision']}", ensemble, *given]))


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
    """METHOD, SCALE and, of one without a network, MODEL of every column, for `srgrid cost`.

    Bicubic is what the first protocol's degradation has it be.
    """
    degradation = DEGRADATIONS[PROTOCOLS[config["protocols"][0]].degradation]
    bicubic = BASELINE if degradation.is_luma else f"bicubic-{degradation.enlarger}"
    models = {BASELINE: bicubic} | {method: method for method in COMPUTED[1:]}
    models |= dict.fromkeys(config["sr"], "")
    scales = sorted({scale for _, scale in cells()})
    return [(method, scale, models.get(method)) for method in config["methods"] for scale in scales]


def column_arguments(inputs):
    """The same as words: METHOD:SCALE=MODEL."""
    return [
        shlex.quote(f"{method}:{scale}={model_argument(method, scale, inputs) if model is None else model}")
        for method, scale, model in priced_columns()
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


def cell_options(wildcards, input, protocols):
    """The same as `srgrid cells` takes them."""
    w = wildcards
    folders = {protocol: sr_dir(w.model, protocol, w.dataset, w.scale) for protocol in protocols}
    return [f"--cell {protocol}={shlex.quote(placed(folder, input))}" for protocol, folder in folders.items()]


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


def figure_files():
    """The figures of all cells, each with its record and its selection of images."""
    ends = (".json", ".png", ".pdf", ".selection.json")
    return [RUN / "figures" / f"{name}_x{scale}{end}" for name, scale in cells() for end in ends]


def remake_command():
    """What re-makes this run, as a user would type it."""
    return plan.remake_command(workflow.configfiles, workflow.config_settings.config, ROOT)


def card_files():
    return [RUN / name for name in ("grid.csv", "scores.csv", "model_card.md", "model_card.html", "provenance.json")]


def quicken(rules):
    """Have the functions of rules tell their parameters at once: Snakemake asks each some ten times for every job.

    In a module the other workflow's rules are among them; what their functions say they take stays.
    """
    overwrite_function_params(Resource.evaluate, get_function_params(Resource("any", 1).evaluate))
    for step in rules:
        resources = (getattr(resource, "_evaluator", None) for resource in step.resources.values())
        inputs = (getattr(item, "callable", item) for item in step.input)
        for function in filter(inspect.isfunction, (*step.params, *resources, *inputs)):
            overwrite_function_params(function, get_function_params(function))


def kept(output):
    """An output that other runs read too: `snakemake --delete-all-output` leaves it."""
    return flag(output, "kept")


def sparing(clean):
    """Snakemake's deletion of outputs, which takes those that are kept for write-protected.

    `protected()` itself would refuse to make them again by newer code, and root may write whatever is protected.
    """

    async def yes():
        return True

    async def clean_own(dag, *arguments, **options):
        for file in (file for job in dag.jobs for file in job.output if is_flagged(file, "kept")):
            file.protected = yes
        await clean(dag, *arguments, **options)
        logger.info(f"{RESOURCES}/ is kept, because other runs may share it; delete it yourself if none does.")

    return clean_own


DAG.clean = sparing(DAG.clean)


def mark_progress(record):
    """Have `--quiet progress` cover two lines that Snakemake prints whenever it chooses jobs, and covers by `all` alone."""
    if get_event(record) == LogEvent.JOB_STARTED or record.msg == "Select jobs to execute...":
        record.quietness = Quietness.PROGRESS
    return True


logger.addFilter(mark_progress)


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


def drop_rate_limit():
    """Snakemake's default limit of 100 jobs a second has its scheduler look for jobs again a second after each look.

    So it looks once a second more for every job that has ended, at a quarter of a core after 150 of them. Another limit,
    from the command line or a profile, stays.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


# The only one: Snakemake runs the last `onstart` of all files.
onstart:
    hold_folder()
    drop_rate_limit()
    warn_of_months()
