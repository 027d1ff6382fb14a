# Snakemake finds this file in the root of a checkout; the workflow is in workflow/, where Snakemake's catalog looks for it.
include: "workflow/Snakefile"


workflow.default_target = "all"  # of an included file, Snakemake forgets it
