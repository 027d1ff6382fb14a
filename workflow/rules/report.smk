rule audit:
    input:
        grid=RUN / "grid.csv",
        scores=RUN / "scores.csv",
        parts=choice_scores(),
    output:
        audit=RUN / "audit.csv",
        effects=RUN / "effects.csv",
        columns=RUN / "columns.csv",
    log:
        RUN / "logs" / "audit.log",
    benchmark:
        RUN / "benchmarks" / "audit.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run_dir=RUN,
    shell:
        "srgrid audit {params.run_dir} {input.parts} 2>&1 | tee {log}"
