# Thousands of jobs, too: its weights have no name, as in score.smk.
rule upscale:
    input:
        lambda w: weights_inputs(w.model, w.scale),
        lr=RESOURCES / "LR" / "{degradation}" / "{dataset}" / "x{scale}",
    output:
        directory(RUN / "SR" / "{model}" / "{degradation}-8bit" / "{dataset}" / "x{scale}"),
    log:
        RUN / "logs" / "upscale" / "{model}_{degradation}-8bit_{dataset}_x{scale}.log",
    benchmark:
        RUN / "benchmarks" / "upscale" / "{model}_{degradation}-8bit_{dataset}_x{scale}.tsv"
    conda:
        "../../envs/torch.yaml"
    envmodules:
        *MODULES,
    threads: lambda w: 1 if w.model in COMPUTED else COMPUTE["threads"]
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=120,
        gpu=lambda w: 0 if w.model in COMPUTED else GPU,
    params:
        srgrid=program,
        kind="8bit",
        code=code("upscale"),
        weights_sha256=lambda w: given_digest(w.model, w.scale),
        reader=lambda w: reader(w.model, w.scale),
        options=lambda w: upscale_options(w.model),
        define=lambda w: own_degradation(w.degradation),
        model=lambda w, input: model_argument(w.model, w.scale, input),
        device=lambda w, resources: device(resources),
    shell:
        "{params.srgrid} upscale {input.lr} {output} --model {params.model:q} --scale {wildcards.scale}"
        " --degradation {wildcards.degradation} --define {params.define:q} --kind {params.kind} --device {params.device}"
        " {params.options} --threads {threads} 2>&1 | tee {log}"


# For protocols that never round the SR: float32, four times the size, kept only until it is scored.
use rule upscale as upscale_float with:
    output:
        temp(directory(RUN / "SR" / "{model}" / "{degradation}-float" / "{dataset}" / "x{scale}")),
    log:
        RUN / "logs" / "upscale" / "{model}_{degradation}-float_{dataset}_x{scale}.log",
    benchmark:
        RUN / "benchmarks" / "upscale" / "{model}_{degradation}-float_{dataset}_x{scale}.tsv"
    params:
        srgrid=program,
        kind="float",
        code=code("upscale"),
        weights_sha256=lambda w: given_digest(w.model, w.scale),
        reader=lambda w: reader(w.model, w.scale),
        options=lambda w: upscale_options(w.model),
        define=lambda w: own_degradation(w.degradation),
        model=lambda w, input: model_argument(w.model, w.scale, input),
        device=lambda w, resources: device(resources),


# Another program's SR images become a folder as every other column's.
rule sr:
    input:
        hr=hr_dir("{dataset}"),
        verified=verified("{dataset}"),
    output:
        directory(RUN / "SR" / "{model}" / "given" / "{dataset}" / "x{scale}"),
    log:
        RUN / "logs" / "sr" / "{model}_{dataset}_x{scale}.log",
    benchmark:
        RUN / "benchmarks" / "sr" / "{model}_{dataset}_x{scale}.tsv"
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
        code=code("given"),
        folder=lambda w: str(given_dir(w.model, w.dataset, w.scale)),
        source=lambda w: or_stop(given.fingerprint, given_dir(w.model, w.dataset, w.scale)),
    shell:
        "{params.srgrid} sr {params.folder:q} {input.hr} {output} 2>&1 | tee {log}"
