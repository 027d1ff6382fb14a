# Decoded once for all scales.
rule pack_hr:
    input:
        hr=[hr_dir(name) for name in config["train"]["images"]],
        verified=[verified(name) for name in config["train"]["images"]],
    output:
        kept(RESOURCES / "pack" / f"{TRAINING_IMAGES}.srhr"),
    log:
        RESOURCES / "logs" / "pack_hr" / f"{TRAINING_IMAGES}.log",
    benchmark:
        RESOURCES / "benchmarks" / "pack_hr" / f"{TRAINING_IMAGES}.tsv"
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
        code=code("data.hrpack"),
    shell:
        "{params.srgrid} pack-hr {input.hr} --out {output} 2>&1 | tee {log}"


rule pack:
    input:
        rules.pack_hr.output,
    output:
        kept(RESOURCES / "pack" / f"{TRAINING_SET}_x{{scale}}.srpack"),
    log:
        RESOURCES / "logs" / "pack" / f"{TRAINING_SET}_x{{scale}}.log",
    benchmark:
        RESOURCES / "benchmarks" / "pack" / f"{TRAINING_SET}_x{{scale}}.tsv"
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
        code=code("data.pack"),
        degradation=config["train"]["degradation"],
        define=lambda w: own_degradation(config["train"]["degradation"]),
    shell:
        "{params.srgrid} pack {input} --scale {wildcards.scale} --out {output} --degradation {params.degradation}"
        " --define {params.define:q} 2>&1 | tee {log}"


# Snakemake deletes a job's outputs before it starts: the training state is not one of them, so that it survives.
rule train:
    input:
        pack=rules.pack.output,
        hr=rules.pack_hr.output,
        init=warm_start,
    output:
        weights=RUN / "weights" / "{model}_x{scale}.safetensors",
        record=RUN / "weights" / "{model}_x{scale}.json",
    log:
        RUN / "logs" / "train" / "{model}_x{scale}.log",
    benchmark:
        RUN / "benchmarks" / "train" / "{model}_x{scale}.tsv"
    conda:
        "../../envs/torch.yaml"
    envmodules:
        *MODULES,
    threads: COMPUTE["threads"]
    resources:
        mem_mb=lambda w, attempt: LARGE * attempt,
        runtime=720,
        gpu=GPU,
    params:
        srgrid=program,
        state=state_folder,
        recipe=config["train"]["recipe"],
        # No function of threads: Snakemake compares only params that derive from nothing else.
        settings=lambda w: json.dumps(plan.training_settings(config)),
        device=lambda w, resources: device(resources),
        # Compiled once for all scales and machines that share the folder.
        cache=str(RESOURCES / "compiled"),
        init=lambda wildcards, input: f"--init {shlex.quote(str(input.init))}" if input.init else "",
    shell:
        "export TORCHINDUCTOR_CACHE_DIR=${{TORCHINDUCTOR_CACHE_DIR:-$PWD/{params.cache}}};"
        " {params.srgrid} train --model {wildcards.model} --scale {wildcards.scale} --pack {input.pack} --out {output.weights}"
        " --state {params.state:q} --recipe {params.recipe} --settings {params.settings:q}"
        " --threads {threads} --device {params.device} {params.init}"
        " 2>&1 | tee {log}"
