rule score:
    input:
        sr=lambda w: sr_dir(w.model, w.protocol, w.dataset, w.scale),
        hr=hr_dir("{dataset}"),
        verified=verified("{dataset}"),
    output:
        scores=RUN / "scores" / "{protocol}" / "{dataset}_x{scale}_{model}.csv",
        record=RUN / "scores" / "{protocol}" / "{dataset}_x{scale}_{model}.json",
    log:
        RUN / "logs" / "score" / "{protocol}_{dataset}_x{scale}_{model}.log",
    benchmark:
        RUN / "benchmarks" / "score" / "{protocol}_{dataset}_x{scale}_{model}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code("scoring"),
        cell=lambda w: json.dumps(
            {"dataset": w.dataset, "scale": int(w.scale), "method": w.model, "protocol": w.protocol}
        ),
        define=lambda w: json.dumps(DEFINITIONS),
        metrics=",".join(config["metrics"]),
        versions=[metric.version for metric in METRICS],
    shell:
        "srgrid score {input.sr} {input.hr} --scale {wildcards.scale} --protocol {wildcards.protocol} --out {output.scores}"
        " --cell {params.cell:q} --define {params.define:q} --metrics {params.metrics:q} > {log} 2>&1 || {{ cat {log} >&2; exit 2; }}"


rule grid:
    input:
        scores=score_files(),
        records=[file.with_suffix(".json") for file in score_files()],
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
    params:
        code=code("report.grid"),
        order=lambda w: json.dumps(plan.order(config)),
        out_dir=RUN,
    shell:
        "srgrid grid {input.scores} --out-dir {params.out_dir} --order {params.order:q} 2>&1 | tee {log}"
