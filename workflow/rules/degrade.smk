rule lr:
    input:
        hr=lambda w: hr_dir(lr_origin(w.dataset)),
        verified=lambda w: verified(lr_origin(w.dataset)),
    output:
        kept(directory(RESOURCES / "LR" / "{degradation}" / "{dataset}" / "x{scale}")),
    log:
        RESOURCES / "logs" / "lr" / "{degradation}_{dataset}_x{scale}.log",
    benchmark:
        RESOURCES / "benchmarks" / "lr" / "{degradation}_{dataset}_x{scale}.tsv"
    conda:
        "../../envs/data.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: PLAIN * attempt,
        runtime=60,
    params:
        srgrid=program,
        code=code("degrade"),
        scale=lambda w: int(w.scale) * dataset(w.dataset).lr_times,
        define=lambda w: own_degradation(w.degradation),
    shell:
        "{params.srgrid} lr {input.hr} {output} --scale {params.scale} --degradation {wildcards.degradation}"
        " --define {params.define:q} 2>&1 | tee {log}"
