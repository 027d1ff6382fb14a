def lr_source(wildcards):
    """The HR images that LR ones are made from: a variant's may come from its parent's."""
    return hr_dir(registry.lr_source(wildcards.dataset, DATASETS).dataset)


rule lr:
    input:
        hr=lr_source,
        verified=RESOURCES / "verified" / "{dataset}.json",
    output:
        directory(RESOURCES / "LR" / "{degradation}" / "{dataset}" / "x{scale}"),
    log:
        RESOURCES / "logs" / "lr" / "{degradation}_{dataset}_x{scale}.log",
    benchmark:
        RESOURCES / "benchmarks" / "lr" / "{degradation}_{dataset}_x{scale}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        scale=lambda w: int(w.scale) * registry.lr_source(w.dataset, DATASETS).factor,
    shell:
        "srgrid lr {input.hr} {output} --scale {params.scale} --degradation {wildcards.degradation} 2>&1 | tee {log}"
