"""Runs what the documents say of several machines, on one machine that plays several.

The commands are read from docs/data.md and docs/training.md; numbers, folders and names alone
differ. Needs root, Debian's slurmctld, slurmd, munge, parallel and openssh-server, and the Python
of an environment that has Ray: `RAY=../ray/bin/python python -m benchmarks.several_machines`.
"""

import contextlib
import filecmp
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
N, SIZE = 24, 64
SMALL = "STEPS=6 LOG_EVERY=2 CHANNELS=8 BLOCKS=1 CROP=32 GAN_WEIGHT=0 PRECISION=float32"
SLURM = """ClusterName=one
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.sock
SlurmctldPort=7817
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 Port=7818 CPUs=2
PartitionName=all Nodes=ALL Default=YES
"""
SSH = """Host a b c d
HostName 127.0.0.1
Port 2222
IdentityFile {folder}/key
UserKnownHostsFile {folder}/known
StrictHostKeyChecking accept-new
"""
SSHD = """ListenAddress 127.0.0.1
Port 2222
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile {folder}/sshd.pid
StrictModes no
"""


def blocks_of(document: str, start: str) -> list[str]:
    """The lines of the block of a document that begins with these words."""
    found = re.findall(r"^```.*?\n(.*?)^```$", (ROOT / document).read_text(), re.M | re.S)
    return next(block for block in found if block.startswith(start)).splitlines()


def call(command: str, **variables: str) -> str:
    """Runs a line in the clone; its output, or an error if it fails."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def daemons(folder: Path, *commands: str) -> Iterator[None]:
    """Servers that stay in the foreground, ended by their own ids."""
    running = []
    for command in commands:
        running.append(subprocess.Popen(command.split(), cwd=folder, stderr=subprocess.DEVNULL))
        time.sleep(2)
        assert running[-1].poll() is None, command
    try:
        yield
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


def difference(one: Path, other: Path) -> str:
    """Whether two data folders hold the same records and pictures."""
    names = {
        path.relative_to(folder)
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file() and path.name[0] != "." and "originals" not in path.parts
    }
    _, wrong, missing = filecmp.cmpfiles(one, other, map(str, names), shallow=False)
    return f"  differs: {wrong + missing}" if wrong or missing else f"  the same {len(names)} files"


def wait_for_jobs(slurm: dict[str, str]) -> None:
    """Waits until Slurm's queue is empty."""
    until_s = time.monotonic() + 400
    while call("squeue --noheader", **slurm).strip():
        assert time.monotonic() < until_s
        time.sleep(5)


def parts_by_ray(python: str, words: str, data: Path) -> None:
    """Two nodes of a core each; the process that makes a part is killed once."""
    ray = f"{Path(python).parent}/ray"
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "127.0.0.1:6399"}
    environment["RAY_AUTH_MODE"] = "token"  # which the first node makes, for all
    call(f"{ray} start --head --port=6399 --num-cpus=1", **environment)
    try:
        call(f"{ray} start --address=127.0.0.1:6399 --num-cpus=1", **environment)
        words = words.replace("make", f"{python} pipeline.py", 1)
        print(f"$ {words}", flush=True)
        running = subprocess.Popen(words.split(), cwd=ROOT, env=os.environ | environment)
        killed = 0
        while running.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if not killed and path.read_bytes().startswith(b"ray::make_part"):
                        killed = int(path.parent.name)
                        os.kill(killed, 9)
            time.sleep(0.01)
        print(f"  killed the process of a part: {bool(killed)}; ended with {running.returncode}")
    finally:
        call(f"{ray} stop --force", **environment)


def train_by_slurm(folder: Path, slurm: dict[str, str]) -> None:
    """Trains with two processes, then with one, and prints the log of both."""
    places = f"DATA={folder / 'one'} RUNS={folder / 'runs'} {SMALL}"
    script = "\n".join(blocks_of("docs/training.md", "#!/bin/bash\n#SBATCH"))
    (folder / "job").write_text(script.replace("BATCH=8", f"BATCH=8 RUN=two {places}"))
    call(f"sbatch --output={folder}/train.log {folder}/job", **slurm)
    wait_for_jobs(slurm)
    print((folder / "train.log").read_text())
    call(f"make train BATCH=8 RUN=one {places}")
    for name in ("one", "two"):
        print(name, (folder / "runs" / name / "log.csv").read_text(), sep="\n")


def main() -> None:
    """Runs each line, and says whether its result is that of one machine."""
    folder = Path(tempfile.mkdtemp(prefix="machines-"))
    photos, host = folder / "photos", socket.gethostname()
    for name in ("photos", "state", "spool"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    for index in range(N):
        pixels = rng.integers(0, 256, (300, 300, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{index:02d}.png")
    ours = f"N={N} SOURCE=folder FROM={photos} SIZE={SIZE} WORKERS=1"
    by_slurm, by_parallel, by_ray = blocks_of("docs/data.md", "sbatch")

    def line(printed: str, name: str) -> str:
        printed = printed.replace("N=70000", ours).replace("/mnt/shared/clone", str(ROOT))
        return printed.replace("/mnt/shared/data", str(folder / name))

    def join_and_compare(name: str) -> None:
        call(f"make dataset {ours} DATA={folder / name}")
        print(difference(folder / "one", folder / name), flush=True)

    call(f"make dataset {ours} DATA={folder / 'one'}")
    for name, text in {"slurm.conf": SLURM, "ssh": SSH, "sshd": SSHD}.items():
        (folder / name).write_text(text.format(folder=folder, host=host))
    call(f"head -c 1024 /dev/urandom > {folder}/munge.key; chmod 600 {folder}/munge.key")
    call(f"for each in key host; do ssh-keygen -q -N '' -t ed25519 -f {folder}/$each; done")
    call("mkdir -p /run/sshd")

    with daemons(folder, f"/usr/sbin/sshd -D -f {folder}/sshd"):
        call(line(by_parallel, "parallel"), PARALLEL_SSH=f"ssh -F {folder}/ssh")
        join_and_compare("parallel")

    if python := os.environ.get("RAY"):
        parts_by_ray(python, line(by_ray, "ray"), folder / "ray")
        print(difference(folder / "one", folder / "ray"), flush=True)

    slurm = {"SLURM_CONF": f"{folder}/slurm.conf"}
    os.environ |= slurm
    munge = f"munged -F --force --key-file={folder}/munge.key --socket={folder}/munge.sock"
    munge += f" --pid-file={folder}/munge.pid --log-file={folder}/munge.log"
    munge += f" --seed-file={folder}/munge.seed"
    with daemons(folder, munge, "slurmctld -D -c", "slurmd -D"):
        call(f"{line(by_slurm, 'slurm')} --output={folder}/slurm-%a.log", **slurm)
        wait_for_jobs(slurm)
        join_and_compare("slurm")
        train_by_slurm(folder, slurm)
    print(f"all of it is in {folder}")


if __name__ == "__main__":
    main()
