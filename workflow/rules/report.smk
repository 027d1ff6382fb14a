rule figure:
    input:
        scores=RUN / "scores.csv",
        record=RUN / "tables.json",
        hr=hr_dir("{dataset}"),
        sr=lambda w: [sr_dir(method, config["protocols"][0], w.dataset, w.scale) for method in config["methods"]],
    output:
        png=report(
            RUN / "figures" / "{dataset}_x{scale}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"data set": "{dataset}", "scale": "x{scale}"},
        ),
        pdf=RUN / "figures" / "{dataset}_x{scale}.pdf",
        json=RUN / "figures" / "{dataset}_x{scale}.json",
        selection=RUN / "figures" / "{dataset}_x{scale}.selection.json",
        previews=directory(RUN / "previews" / "{dataset}_x{scale}"),
    log:
        RUN / "logs" / "figure" / "{dataset}_x{scale}.log",
    benchmark:
        RUN / "benchmarks" / "figure" / "{dataset}_x{scale}.tsv"
    conda:
        "../../envs/report.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=30,
    params:
        srgrid=program,
        code=[code("report.figures"), code("report.previews")],
        protocol=config["protocols"][0],
        sr=lambda w, input: [f"--sr {shlex.quote(f'{m}={d}')}" for m, d in zip(config["methods"], input.sr)],
        crop=config["figures"]["crop"],
        shown=config["figures"]["images"],
        show=lambda w: json.dumps(config["figures"]["show"].get(w.dataset, {})),
        whole="--whole" if config["figures"]["whole"] else "--no-whole",
    shell:
        "{params.srgrid} figure {input.scores} {input.hr} {output.png} --scale {wildcards.scale} --dataset {wildcards.dataset}"
        " --protocol {params.protocol} {params.sr} --previews {output.previews} --crop {params.crop}"
        " --count {params.shown} {params.whole} --show {params.show:q} 2>&1 | tee {log}"


rule provenance:
    input:
        tables=rules.grid.output,
        hr=[hr_dir(name) for name in config["datasets"]],
        weights=[weights_inputs(method, scale) for method, scale in weights_by_column()],
    output:
        RUN / "provenance.json",
    log:
        RUN / "logs" / "provenance.log",
    benchmark:
        RUN / "benchmarks" / "provenance.tsv"
    conda:
        "../../envs/torch.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=30,
    params:
        srgrid=program,
        code=[code("provenance"), code("report.figures"), code("report.card")],
        inputs=lambda w, input: [f"--input {shlex.quote(str(folder))}" for folder in input.hr],
        weights=lambda w, input: [
            f"--weights {shlex.quote(f'{method}:{scale}={model_argument(method, scale, input.weights)}')}"
            for method, scale in weights_by_column()
        ],
        config=lambda w: json.dumps(config),
        missing=lambda w: json.dumps(plan.undeclared(config, dataset)),
        command=remake_command(),
    shell:
        "{params.srgrid} provenance {output} {params.inputs} {params.weights} --config {params.config:q}"
        " --missing {params.missing:q} --command {params.command:q} 2>&1 | tee {log}"


# Whoever measures has all cores, so that nothing else runs beside it.
rule cost:
    input:
        weights=[weights_inputs(method, scale) for method, scale in weights_by_column()],
    output:
        costs=RUN / "costs.csv",
        record=RUN / "costs.json",
    log:
        RUN / "logs" / "cost.log",
    benchmark:
        RUN / "benchmarks" / "cost.tsv"
    conda:
        "../../envs/torch.yaml"
    envmodules:
        *MODULES,
    threads: (workflow.cores or COMPUTE["threads"]) if config["costs"]["measure"] else 1
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=120,
        gpu=GPU if config["costs"]["measure"] else 0,
    params:
        srgrid=program,
        code=[code("cost"), code("report.costs")],
        weights_sha256=[given_digest(method, scale) for method, scale in weights_by_column()],
        priced=priced_columns(),
        columns=lambda w, input: column_arguments(input.weights),
        how=cost_options(),
        device=lambda w, resources: device(resources),
        precision=COMPUTE["precision"],
        torch_threads=COMPUTE["threads"],
        rgb_range=json.dumps(config["upscale"]["rgb_range"]),
    shell:
        "{params.srgrid} cost {output.costs} {params.columns} {params.how} --device {params.device}"
        " --precision {params.precision} --threads {params.torch_threads} --rgb-range {params.rgb_range:q}"
        " 2>&1 | tee {log}"


rule audit:
    input:
        tables=rules.grid.output,
        parts=choice_scores(),
        records=records(choice_scores()),
    output:
        audit=RUN / "audit.csv",
        effects=RUN / "effects.csv",
        columns=RUN / "columns.csv",
        record=RUN / "audit.json",
    log:
        RUN / "logs" / "audit.log",
    benchmark:
        RUN / "benchmarks" / "audit.tsv"
    conda:
        "../../envs/report.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: PLAIN * attempt,
        runtime=30,
    params:
        srgrid=program,
        code=code("report.audit"),
        run_dir=lambda w, output: Path(output.audit).parent,
    shell:
        "{params.srgrid} audit {params.run_dir} {input.parts} 2>&1 | tee {log}"


rule card:
    input:
        tables=rules.grid.output,
        provenance=rules.provenance.output,
        costs=rules.cost.output,
        figures=figure_files(),
        previews=[RUN / "previews" / f"{name}_x{scale}" for name, scale in cells()],
        audit=rules.audit.output if config["audit"] else [],
        logs=given_logs(),
    output:
        markdown=RUN / "model_card.md",
        html=report(
            RUN / "model_card.html",
            caption="../report/card.rst",
            category="Model card",
            labels={"page": "model card"},
        ),
        latex=RUN / "grid.tex",
        wide=RUN / "grid_wide.csv",
        differences=RUN / "differences.csv",
    log:
        RUN / "logs" / "card.log",
    benchmark:
        RUN / "benchmarks" / "card.tsv"
    conda:
        "../../envs/report.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=30,
    params:
        srgrid=program,
        code=code("report.card"),
        run_dir=lambda w, output: Path(output.html).parent,
        templates_sha256=templates_digest(),
        templates=f"--templates {shlex.quote(config['templates'])}" if config["templates"] else "",
    shell:
        "{params.srgrid} card {params.run_dir} {params.templates} 2>&1 | tee {log}"


# Not among the run's own results: `snakemake verify_run` makes all cells of the finished run again, and compares.
rule verify_run:
    input:
        made=rules.card.input,
        card=rules.card.output,
        weights=[weights_inputs(method, scale) for method, scale in weights_by_column()],
    output:
        RUN / "verified.json",
    log:
        RUN / "logs" / "verify_run.log",
    benchmark:
        RUN / "benchmarks" / "verify_run.tsv"
    conda:
        "../../envs/torch.yaml"
    envmodules:
        *MODULES,
    threads: COMPUTE["threads"]
    resources:
        gpu=GPU,
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=240,
    params:
        srgrid=program,
        code=code("verification"),
        run_dir=lambda w, output: Path(output[0]).parent,
        mirror=f"--mirror {shlex.quote(config['mirror'])}" if config["mirror"] else "",
    shell:
        "{params.srgrid} verify {params.run_dir} --sample all --threads {threads} {params.mirror} --report {output} 2>&1 | tee {log}"
