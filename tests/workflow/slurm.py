"""A Slurm of one node on this machine: munged, slurmctld and slurmd, started and stopped by their own process ids."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
# Where Slurm's programs look, in this order, without SLURM_CONF, which Snakemake takes out of a job's variables.
OF_A_SITE, OF_A_NODE = Path("/etc/slurm/slurm.conf"), Path("/run/slurm/conf")
CGROUPS = Path("/sys/fs/cgroup/memory")
MEMORY = 8000  # MB of the node
CONFIG = """\
ClusterName=srgrid
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/cgroup
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking():
    """Why there can be no Slurm here, or nothing."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    if os.getuid():
        return "slurmd needs root"
    if OF_A_SITE.exists() or OF_A_NODE.exists():
        return "this machine belongs to a Slurm"
    return "" if CGROUPS.is_dir() else f"no {CGROUPS}: memory cannot be enforced"


@contextmanager
def cluster(folder):
    """Start the daemons; gives the environment in which sbatch and squeue find them."""
    for name in ("munge", "run", "state", "spool"):
        (folder / name).mkdir(parents=True)
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.getuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o011)  # munged runs as another user
    files = {name: folder / "munge" / name for name in ("key-file", "pid-file", "log-file", "seed-file")}
    files["key-file"].write_bytes(os.urandom(1024))
    files["key-file"].chmod(0o400)
    for path in (folder / "munge", files["key-file"], folder / "run"):
        shutil.chown(path, "munge")
    (folder / "munge").chmod(0o700)
    host = socket.gethostname().split(".")[0]
    text = CONFIG.format(host=host, folder=folder, ports=free_ports(2), memory=MEMORY)
    (folder / "slurm.conf").write_text(text)
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n")
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    with ExitStack() as started:
        OF_A_NODE.parent.mkdir(parents=True, exist_ok=True)
        OF_A_NODE.symlink_to(folder)
        started.callback(OF_A_NODE.unlink)
        munged = ["runuser", "-u", "munge", "--", "munged", "--foreground", f"--socket={folder}/run/munge.sock"]
        started.enter_context(daemon([*munged, *(f"--{name}={file}" for name, file in files.items())], folder))
        wait((folder / "run/munge.sock").exists, "munged")
        for name in ("slurmctld", "slurmd"):
            started.enter_context(daemon([name, "-D", "-f", str(folder / "slurm.conf")], folder))
        wait(lambda: "idle" in asked(["sinfo", "-h", "-o", "%T"], environment), "an idle node")
        yield environment
        asked(["scancel", "--me"], environment)


@contextmanager
def daemon(words, folder):
    with (folder / f"{words[0]}.out").open("w") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def asked(words, environment):
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment, timeout=60)
    return done.stdout


def wait(ready, what, seconds=120):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)
