# A method's images of one data set at one scale, under all protocols of the config. There are thousands of these jobs in
# a large run, and a name for several files costs Snakemake 750 bytes a job: hence none for SR images, tables, records.
rule score:
    input:
        lambda w: sr_dirs(w, config["protocols"]),
        hr=hr_dir("{dataset}"),
        verified=verified("{dataset}"),
    output:
        score_tables("{dataset}", "{scale}", "{model}", config["protocols"]),
        records(score_tables("{dataset}", "{scale}", "{model}", config["protocols"])),
    log:
        RUN / "logs" / "score" / "{dataset}_x{scale}_{model}.log",
    benchmark:
        RUN / "benchmarks" / "score" / "{dataset}_x{scale}_{model}.tsv"
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
        code=code("scoring"),
        cells=lambda w, input: cell_options(w, input, config["protocols"]),
        out_dir=lambda w, output: Path(output[0]).parents[1],
        define=json.dumps(DEFINITIONS),
        metrics=",".join(config["metrics"]),
        versions=[metric.version for metric in METRICS],
    shell:
        "{params.srgrid} cells {input.hr} {params.out_dir} --dataset {wildcards.dataset} --scale {wildcards.scale}"
        " --method {wildcards.model} {params.cells} --define {params.define:q} --metrics {params.metrics:q} 2>&1 | tee {log}"


# Bicubic under what the audit compares and the grid lacks.
if choice_protocols():

    use rule score as score_choices with:
        input:
            lambda w: sr_dirs(w, choice_protocols()),
            hr=hr_dir("{dataset}"),
            verified=verified("{dataset}"),
        output:
            score_tables("{dataset}", "{scale}", "{model}", choice_protocols()),
            records(score_tables("{dataset}", "{scale}", "{model}", choice_protocols())),
        log:
            RUN / "logs" / "score" / "choices_{dataset}_x{scale}_{model}.log",
        benchmark:
            RUN / "benchmarks" / "score" / "choices_{dataset}_x{scale}_{model}.tsv"
        params:
            srgrid=program,
            code=code("scoring"),
            cells=lambda w, input: cell_options(w, input, choice_protocols()),
            out_dir=lambda w, output: Path(output[0]).parents[1],
            define=json.dumps(DEFINITIONS),
            metrics=",".join(config["metrics"]),
            versions=[metric.version for metric in METRICS],


rule grid:
    input:
        # Functions, because Snakemake keeps whole lists: thousands of paths in a large run.
        scores=lambda w: score_files(),
        records=lambda w: records(score_files()),
    output:
        scores=RUN / "scores.csv",
        grid=report(
            RUN / "grid.csv",
            caption="../report/grid.rst",
            category="Tables",
            labels={"table": "the grid, all protocols"},
        ),
        intervals=RUN / "intervals.csv",
        record=RUN / "tables.json",
    log:
        RUN / "logs" / "grid.log",
    benchmark:
        RUN / "benchmarks" / "grid.tsv"
    conda:
        "../../envs/data.yaml"
    envmodules:
        *MODULES,
    threads: 1
    resources:
        mem_mb=lambda w, attempt: PLAIN * attempt,
        runtime=30,
    params:
        srgrid=program,
        code=code("report.grid"),
        order=json.dumps(plan.order(config)),
        out_dir=lambda w, output: Path(output.grid).parent,
    shell:
        "{params.srgrid} grid {input.scores} --out-dir {params.out_dir} --order {params.order:q} 2>&1 | tee {log}"
