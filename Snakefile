# The results grid of a super-resolution model card, from images to the finished card.
#
#   images --verify--> HR --lr--> LR --upscale--> SR --score--> rows --> grid --> card
#                        \--pack--> training set --train--> weights --/

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: Path(workflow.basedir) / "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/degrade.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/upscale.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        card_files(),


rule scores:
    input:
        RUN / "grid.csv",


rule weights:
    input:
        trained_weights(),
