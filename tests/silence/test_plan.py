"""What a configuration gets wrong is said when it is read, all of it at once."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from srgrid import images, plan
from srgrid.choices import choice_definitions
from srgrid.config import check, coerced
from srgrid.data import registry
from srgrid.errors import SrgridError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
MODELS = ["rcan-bam", "rcan-bam-s"]


def config(**changes):
    """The default configuration with changes laid over it, as Snakemake lays them."""

    def merged(base, over):
        return {**base, **{k: merged(base.get(k) or {}, v) if isinstance(v, dict) else v for k, v in over.items()}}

    return coerced(merged(yaml.safe_load((ROOT / "config.yaml").read_text()), changes), SCHEMA)


def faults(**changes):
    made = config(**changes)
    with pytest.raises(SrgridError) as caught:
        _accept(made)
    return str(caught.value)


def _accept(made):
    check(made, SCHEMA)
    plan.require(made, choice_definitions(), made["mirror"], MODELS, ROOT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": {"recipe": "fulll"}}, "train: recipe 'fulll'"),
        ({"train": {"settings": {"stepz": 3}}}, "stepz"),
        ({"train": {"settings": {"batch": 0}}}, "batch"),
        ({"scales": [2, 5]}, "scales: rcan-bam cannot be trained at scale 5"),
        ({"scales": [3], "datasets": ["Urban100-half"]}, "Urban100-half: 2"),
        ({"templates": "no-such-folder"}, "templates: no-such-folder: there is no such folder"),
        ({"figures": {"show": {"Set99": {"baby": None}}}}, "figures.show.Set99: no data set of this run"),
        ({"card": {"names": {"rcan-z": "RCAN-Z"}}}, "card.names.rcan-z: no method of this run"),
        ({"card": {"beside": ["imdn"]}}, "card.beside: printed values compare under the protocol literature alone"),
        ({"card": {"beside": ["imdnn"]}}, "card.beside: imdnn is no network of the literature's; choose from "),
        ({"figures": {"show": {"Set5": {"babyy": None}}}}, "figures.show.Set5.babyy: Set5 has no such image"),
        ({"figures": {"show": {"Set5": {"baby": [500, 0, 64, 64]}}}}, "lies outside the image, which has 512 x 512"),
        ({"figures": {"show": {"Set5": {"baby": [0, 0, 0, 64]}}}}, "has a side of 0"),
        ({"methods": ["bicubic", "own"], "weights": {"own": "none_x{scale}.pt"}}, "none_x2.pt: there is no such file"),
        ({"methods": ["bicubic", "own"], "weights": {"own": "w_{x}.pt"}}, "weights.own: {x} means nothing here"),
        ({"weights": {"bicubic": "a.pt"}}, "weights.bicubic: bicubic is no network"),
        ({"methods": ["bicubic", "own"], "sr": {"own": "no/{dataset}"}}, "sr.own: "),
        ({"methods": ["bicubic", "own"], "sr": {"own": "no/{model}"}}, "sr.own: {model} means nothing here"),
        ({"sr": {"lanczos": "a"}}, "sr.lanczos: lanczos is computed here; give the SR images another name"),
        ({"sr": {"own": "a"}, "weights": {"own": "b.pt"}}, "sr.own: has `weights` too"),
        ({"weights": {"lanczos": "a.pt"}}, "weights.lanczos: lanczos is no network"),
        ({"methods": ["bicubic", "rcan-bamm"]}, "unknown model 'rcan-bamm'"),
        ({"methods": ["bicubic", "lanczoz"]}, "choose one of bicubic, nearest, bilinear, lanczos,"),
        ({"protocols": ["psnr-y"]}, "unknown protocol 'psnr-y'"),
        ({"define_protocols": {"mine": {"shave": "two"}}}, "define_protocols.mine.shave: 'two'"),
        ({"define_protocols": {"a|b": {}}}, "'a|b' does not match"),
        ({"define_protocols": {"mine": {"about": "2020-01-01", "lumaa": 1}}}, "define_protocols.mine.lumaa"),
        (
            {"define_protocols": {"mine": {"lr_kernel": "pillow"}}},
            "is degradation now; write degradation: pill",
        ),
        (
            {"protocols": ["p"], "define_protocols": {"p": {"degradation": "mat"}}},
            "p: unknown degradation 'mat'",
        ),
        (
            {"protocols": ["p"], "define_protocols": {"p": {"hr": "resize"}}},
            "hr: resize does not go with",
        ),
        (
            {"protocols": ["p"], "define_protocols": {"p": {"degradation": "pillow-uncropped"}}},
            "hr: crop does not go with degradation: pillow-uncropped, which does not crop HR",
        ),
        ({"train": {"degradation": "blurr"}}, "train.degradation: unknown degradation 'blurr'"),
        ({"define_degradations": {"matlab": [{"imresize": 1}]}}, "define_degradations.matlab: is built in"),
        ({"define_degradations": {"d": [{"imresise": "1/scale"}]}}, "define_degradations.d: unknown step 'imresise'"),
        ({"define_degradations": {"d": [{"imresize": "1/skale"}]}}, "'1/skale' is no number, fraction or scale"),
        ({"define_degradations": {"d": [{"imresize": "1/0"}]}}, "'1/0' is no number"),
        ({"define_degradations": {"d": [{"modcrop": {"by": 2}}]}}, "modcrop: missing a required argument: 'scale'"),
        (
            {"define_degradations": {"d": [{"modcrop": "scale"}]}},
            "degradations.d: the steps of d make uint8",
        ),
        (
            {"define_degradations": {"d": [{"modcrop": "1/2"}]}},
            "degradations.d: modcrop: scale must be a pos",
        ),
        ({"define_degradations": {"d": {"steps": [{"imresize": "1/scale"}], "enlarger": "x"}}}, "unknown enlarger 'x'"),
        ({"define_degradations": {"d": {"step": []}}}, "define_degradations.d: step: no such key"),
        ({"define_degradations": {"d": []}}, "define_degradations.d"),
        ({"mirror": "no-such-mirror"}, "mirror: no-such-mirror: there is no such folder"),
        ({"train": {"init": {3: 2, 2: 3}}}, "train.init.3: x3 starts from x2 starts from x3, and so on in a circle"),
        ({"train": {"init": {3: 7}}}, "train.init.3: 7"),
        ({"train": {"images": ["DIV3K"]}}, "train.images: unknown data set 'DIV3K'"),
        ({"upscale": {"rgb_range": {"rcan-bam": 1}}}, "upscale.rgb_range.rcan-bam: no `weights` are given"),
        ({"upscale": {"tile": {"rcan-bam": 64}}}, "upscale.tile.rcan-bam: no `weights` are given for it"),
        ({"upscale": {"tile": {"bicubic": 64}}}, "upscale.tile.bicubic: bicubic is no network"),
        ({"upscale": {"tile": {"x": 8}}}, "upscale.tile.x"),
        ({"run": "a\n"}, "run:"),
        ({"methods": ["bicubic\n"]}, "methods.0"),
    ],
)
def test_a_fault_is_known_when_the_config_is_read(changes, words):
    assert words in faults(**changes)


def test_all_faults_are_in_one_message():
    text = faults(train={"recipe": "fulll"}, templates="nowhere", protocols=["psnr-y"], datasets=["Set6"])
    for words in ("fulll", "nowhere", "psnr-y", "Set6"):
        assert words in text


def test_one_weights_file_for_several_scales_is_refused():
    file = "models/rcan-bam-s_x2.safetensors"
    text = faults(methods=["bicubic", "own"], weights={"own": file}, scales=[2, 3])
    assert "weights.own" in text
    assert "was made for scale 2, the run needs scale 3; put {scale} into the path" in text


def test_a_damaged_weights_file_is_known_when_the_config_is_read(tmp_path):
    file = tmp_path / "net_x2.safetensors"
    file.write_bytes((ROOT / "models/rcan-bam-s_x2.safetensors").read_bytes().replace(b"rcan", b"rcam", 1))
    text = faults(methods=["bicubic", "own"], weights={"own": str(tmp_path / "net_x{scale}.safetensors")}, scales=[2])
    assert f"weights.own: {file}: unknown model architecture 'rcam'" in text


SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
SHELF = [file for file in SHIPPED if file.name.startswith("shelf")]


def shipped(file):
    made = config(**yaml.safe_load(file.read_text()))
    check(made, SCHEMA)
    plan.require(made, choice_definitions(), None, [*MODELS, "rcan-s", "rcan-bam-xs"], ROOT)
    return made


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_the_shipped_configs_have_no_fault(file, shelf_weights, monkeypatch):
    monkeypatch.chdir(shelf_weights)
    assert shipped(file)["scales"]


@pytest.mark.parametrize("file", SHELF, ids=lambda file: file.name)
def test_a_shelf_without_its_weights_is_refused_in_one_message(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SrgridError) as caught:
        shipped(file)
    methods = yaml.safe_load(file.read_text())["weights"]
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["config", *(f"  weights.{method}" for method in methods)]
    assert all("there is no such" in line and ": weights/" in line for line in lines[1:])


def test_interpolators_need_no_weights_and_no_training():
    _accept(config(methods=["bicubic", "nearest", "bilinear", "lanczos", "bicubic-torch"], scales=[2, 5]))


def test_values_that_arrive_as_text_get_their_types():
    """As Snakemake hands over --config scales=[2] compute='{threads: 1}' run=2024, and YAML 1e-3 and dates."""
    import datetime

    given = {
        "scales": ["2", "3"],
        "run": 2024,
        "audit": "false",
        "mirror": None,
        "figures": {"show": {"Set5": {"baby": "null", "bird": ["1", "2", "30", "40"]}}, "crop": "48"},
        "train": {"settings": {"steps": "12", "lr": "1e-3", "augment": "false"}, "init": {"3": "2"}},
        "compute": {"threads": "1", "precision": "bf16"},
        "upscale": {"rgb_range": {"own": "255"}},
        "define_protocols": {"mine": {"shave": "3", "about": datetime.date(2020, 1, 1)}},
    }
    made = config(**given)
    check(made, SCHEMA)
    assert (made["scales"], made["run"], made["audit"], made["mirror"]) == ([2, 3], "2024", False, "")
    assert made["figures"]["show"]["Set5"] == {"baby": None, "bird": [1, 2, 30, 40]}
    assert (made["compute"]["threads"], made["compute"]["precision"]) == (1, "bf16")
    assert made["upscale"]["rgb_range"] == {"own": 255}
    assert made["train"]["init"] == {"3": 2, "4": 2}
    assert made["train"]["settings"] == {"steps": 12, "lr": 1e-3, "augment": False}
    assert made["define_protocols"]["mine"] == {"shave": 3, "about": "2020-01-01"}


def test_what_is_no_number_stays_for_the_check_to_name():
    made = config(scales=["two"], compute={"threads": "1.5"})
    with pytest.raises(SrgridError, match="'two' is not of type 'integer'") as caught:
        check(made, SCHEMA)
    assert "compute.threads: 1.5 is not of type 'integer'" in str(caught.value)


def test_the_recorded_command_is_one_that_can_be_typed(tmp_path):
    """Snakemake keeps the last of several --configfile flags, and a shell splits at spaces."""
    import shlex

    files = [ROOT / "config.yaml", ROOT / "config/demo.yaml", tmp_path / "my own.yaml"]
    command = plan.remake_command(files, {"audit": False, "methods": ["bicubic"], "run": "a b"}, ROOT)
    words = shlex.split(command)
    assert words.count("--configfile") == 1
    assert words[words.index("--configfile") + 1 :] == ["config/demo.yaml", str(tmp_path / "my own.yaml")]
    assert words[words.index("--config") + 1 : words.index("--configfile")] == [
        "audit=false",
        'methods=["bicubic"]',
        "run=a b",
    ]


def test_a_set_of_a_mirror_is_checked_too(tmp_path):
    images.write(tmp_path / "Own/HR/a.png", np.zeros((40, 40), np.uint8))
    assert registry.resolve("Own", tmp_path).image_names == ("a",)
    shown = {"show": {"Own": {"b": None}}}
    assert "figures.show.Own.b" in faults(mirror=str(tmp_path), datasets=["Own"], figures=shown)
