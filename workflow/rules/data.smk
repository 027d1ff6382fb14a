rule fetch:
    output:
        kept(directory(RESOURCES / "HR" / "{dataset}")),
    log:
        RESOURCES / "logs" / "fetch" / "{dataset}.log",
    benchmark:
        RESOURCES / "benchmarks" / "fetch" / "{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: PLAIN * attempt,
        runtime=240,
    params:
        srgrid=program,
        mirror=f"--mirror {shlex.quote(config['mirror'])}" if config["mirror"] else "",
        source=lambda w: source_of(w.dataset),
        code=code("data.fetch"),
        define=lambda w: json.dumps(config["define_datasets"]),
    shell:
        "{params.srgrid} data fetch {wildcards.dataset} {output} {params.mirror} --define {params.define:q} 2>&1 | tee {log}"


rule verify:
    input:
        rules.fetch.output,
    output:
        kept(verified("{dataset}")),
    log:
        RESOURCES / "logs" / "verify" / "{dataset}.log",
    benchmark:
        RESOURCES / "benchmarks" / "verify" / "{dataset}.tsv"
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
        source=lambda w: source_of(w.dataset),
        code=code("data.verify"),
        define=lambda w: json.dumps(config["define_datasets"]),
    shell:
        "{params.srgrid} data verify {input} --dataset {wildcards.dataset} --report {output} --define {params.define:q} 2>&1 | tee {log}"
