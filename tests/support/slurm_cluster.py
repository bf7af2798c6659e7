"""A real SLURM cluster on this one machine, for tests: two nodes, each with a GPU that exists in name only.

    envs/run python tests/support/slurm_cluster.py     starts one, says how to use it, stops it at Ctrl-C

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. SLURM counts the GPUs, and nothing uses
them. All files lie in a temporary folder, but for links in /etc/slurm: the Snakemake plugin starts a job's command with
an environment that has lost SLURM_CONF, so that SLURM looks there. All daemons listen on loopback alone.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from active_dendrites.runs.locks import FolderTakenError, only_writer

PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "munged": "munge", "sbatch": "slurm-client"}
CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
PREFIX = "slurm-test-"  # of the temporary folder, whose name is also that of the cluster

# Where a choice is not obvious:
# - CommunicationParameters and addresses: loopback alone, instead of every network.
# - config_overrides: a node may claim more cores and memory than the machine has; nothing holds jobs to them.
# - linuxproc, task/none, no accounting: no control groups, no database; hence status by squeue.
# - batch_sched_delay to bf_interval: a job starts within a second.
# - MinJobAge: squeue knows a job for an hour after its end. JobRequeue: only Snakemake starts a job again.
# - KillWait, SlurmdTimeout: seconds from SIGTERM to SIGKILL, and until a silent node is taken for dead.
# - Jobs of the partition "urgent" end jobs of "gpu" that are in their way.
SLURM_CONF = """\
ClusterName={name}
SlurmctldHost={host}({address})
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=5
MessageTimeout=10
SlurmdTimeout=10
JobRequeue=0
{nodes}
PartitionName=gpu Nodes={names} Default=YES MaxTime=1440 PriorityTier=1 State=UP
PartitionName=urgent Nodes={names} MaxTime=1440 PriorityTier=2 PreemptMode=OFF State=UP
"""
NODE = "NodeName={node} NodeHostname={host} NodeAddr={address} Port={port} CPUs=4 RealMemory=64000 Gres=gpu:1"
GRES_CONF = "AutoDetect=off\nNodeName={names} Name=gpu File={folder}/gpu\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\n"  # else a node gives up where both versions of control groups are mounted


class ClusterUnavailableError(RuntimeError):
    """This machine can have no cluster; a line that says why."""


class SlurmCluster:
    """A context manager; within it SLURM's commands reach the cluster."""

    nodes = ("test1", "test2")

    def __init__(self) -> None:
        self.folder = Path()  # once it is started
        self.daemons: dict[str, subprocess.Popen] = {}  # by node; those of no node by program
        self.undo = ExitStack()

    def __enter__(self) -> "SlurmCluster":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Raises: ClusterUnavailableError if this machine can have no cluster; RuntimeError if one does not start.

        Nothing is left behind then.
        """
        check_machine()
        with ExitStack() as undo:
            undo.enter_context(interrupted_by_sigterm())
            undo.enter_context(only_cluster())
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            undo.callback(remove_cluster, self.folder)
            undo.callback(self.reap)
            self.write_files()
            self.run_daemon("munged", "munged", *self.munge_arguments(), "--foreground")
            self.await_that("munge answers", (self.folder / "munge.socket").exists)
            self.start_controller()
            for node in self.nodes:
                self.start_node(node)
            self.await_that("its nodes are idle", lambda: self.node_states() == ["idle"] * len(self.nodes))
            self.undo = undo.pop_all()

    def stop(self) -> None:
        """End all processes of the cluster and its jobs; remove all its files."""
        self.undo.close()

    # -- accidents -----------------------------------------------------------------------------------------

    def kill_node(self, node: str) -> None:
        """As if its plug were pulled: the daemon, the jobs on it and all that they started are gone at once."""
        kill_all(lambda: processes(self.folder, node))
        self.daemons.pop(node).wait()

    def start_node(self, node: str) -> None:
        """Start a node, or start it again."""
        self.run_daemon(node, "slurmd", "-D", "-N", node)

    def stop_controller(self) -> None:
        """As for maintenance: it saves what it knows of its jobs, then nobody answers any more. Jobs run on."""
        controller = self.daemons.pop("slurmctld")
        controller.terminate()
        controller.wait(30)

    def start_controller(self) -> None:
        """Start the controller, or start it again with what it has saved."""
        self.run_daemon("slurmctld", "slurmctld", "-D")
        self.await_that("its controller answers", lambda: bool(self.node_states()))

    # -- parts ---------------------------------------------------------------------------------------------

    def write_files(self) -> None:
        """The configuration, with ports that are free now, and the links to it."""
        folder, (host, address) = self.folder, own_name()
        for name in ("state", "spool", *(f"spool/{node}" for node in self.nodes)):
            (folder / name).mkdir()
        folder.chmod(0o755)  # munge asks for it
        (folder / "gpu").symlink_to(os.devnull)  # SLURM takes any device file for a GPU, but no plain file
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        port, *ports = free_ports(1 + len(self.nodes), address)
        common = {"folder": folder, "name": folder.name, "names": ",".join(self.nodes), "host": host}
        common |= {"address": address}
        nodes = [NODE.format(node=node, port=at, **common) for node, at in zip(self.nodes, ports, strict=True)]
        contents = (SLURM_CONF.format(port=port, nodes="\n".join(nodes), **common), GRES_CONF.format(**common))
        for name, content in zip(FILES, (*contents, CGROUP_CONF), strict=True):
            (folder / name).write_text(content)
            (CONFIGURATION / name).symlink_to(folder / name)

    def munge_arguments(self) -> list[str]:
        names = {"key-file": "key", "socket": "socket", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        return [f"--{option}={self.folder}/munge.{name}" for option, name in names.items()]

    def run_daemon(self, name: str, program: str, *arguments: str) -> None:
        """As a child of this process, in an empty folder by which it can be known."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        with (self.folder / f"{name}.output").open("a") as output:
            self.daemons[name] = subprocess.Popen(
                [found_program(program), *arguments],
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us: the daemons end last
            )

    def node_states(self) -> list[str]:
        """What the controller says of each node; nothing if it does not answer."""
        done = subprocess.run(["sinfo", "-h", "-p", "gpu", "-N", "-o", "%T"], capture_output=True, text=True)
        return done.stdout.split()

    def await_that(self, what: str, is_so: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            ended = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                logs = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.output")])
                last = [f"{log.name}: {line}" for log in logs for line in log.read_text().splitlines()[-3:]]
                fault = f"{ended} ended" if ended else f"not so after {seconds:.0f} seconds"
                raise RuntimeError("\n".join([f"SLURM: found {fault}, expected that {what}", *last]))
            time.sleep(0.05)

    def reap(self) -> None:
        """End the daemons, so that none is left as a zombie."""
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()
        self.daemons.clear()


# -- whether a cluster can be had --------------------------------------------------------------------------


def check_machine() -> None:
    """Raises: ClusterUnavailableError."""
    missing = [package for program, package in PACKAGES.items() if not found_program(program)]
    if missing:
        raise ClusterUnavailableError(f"found no {', '.join(missing)}, expected Debian's packages of these names")
    if os.geteuid() != 0:
        raise ClusterUnavailableError(f"found user {os.geteuid()}, expected root, who may write to {CONFIGURATION}")
    if "SLURM_CONF" in os.environ:
        raise ClusterUnavailableError("found SLURM_CONF set, expected it unset: SLURM's commands would go elsewhere")
    host, address = own_name()
    if not address.startswith("127."):
        raise ClusterUnavailableError(
            f"found that the name of this machine, {host}, leads to {address or 'nowhere'}, expected 127.0.0.1 (a line"
            f" '127.0.0.1 {host}' in /etc/hosts): SLURM would listen on the network"
        )


def found_program(name: str) -> str | None:
    """Its path: daemons are not on every PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def own_name() -> tuple[str, str]:
    """The name of this machine as SLURM asks for it, and the address that it leads to, empty if none."""
    host = socket.gethostname().partition(".")[0]
    try:
        return host, socket.gethostbyname(host)
    except OSError:
        return host, ""


def free_ports(count: int, address: str) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((address, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def only_cluster() -> Iterator[None]:
    """Hold /etc/slurm, empty of configurations. Raises: ClusterUnavailableError if there is another one."""
    made = not CONFIGURATION.exists()
    try:
        with only_writer(CONFIGURATION):
            for name in FILES:
                clear_place(CONFIGURATION / name)
            yield
    except FolderTakenError as fault:
        raise ClusterUnavailableError(str(fault)) from None
    finally:
        if made and not any(CONFIGURATION.iterdir()):
            CONFIGURATION.rmdir()


def clear_place(path: Path) -> None:
    """Remove what a cluster left whose owner was killed: an owner that lives holds the folder."""
    if path.is_symlink() and path.readlink().parent.name.startswith(PREFIX):
        remove_cluster(path.readlink().parent)
    if path.is_symlink() or path.exists():
        raise ClusterUnavailableError(f"found {path}, expected none: this machine has a SLURM of its own")


# -- how it ends -------------------------------------------------------------------------------------------


def remove_cluster(folder: Path) -> None:
    """Kill all that belongs to the cluster of a folder; remove the folder and the links to it."""
    kill_all(lambda: processes(folder))
    for name in FILES:
        link = CONFIGURATION / name
        if link.is_symlink() and link.readlink() == folder / name:
            link.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def processes(folder: Path, node: str | None = None) -> list[psutil.Process]:
    """The living processes of a cluster, or of one of its nodes, and all that they started.

    A daemon works in a folder of its own, and so does what it starts to watch over a job, whose environment SLURM
    overwrites. The job works elsewhere, and its environment says where it runs.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            environment, place = process.environ(), Path(process.cwd())
            of_job = environment.get("SLURM_CLUSTER_NAME"), environment.get("SLURMD_NODENAME")
            owner = of_job if of_job[0] == folder.name else (place.parent.name, place.name)
            if owner[0] == folder.name and node in (None, owner[1]):
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except psutil.Error:  # gone meanwhile, or a zombie
            continue
    return [process for process in found.values() if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_all(find: Callable[[], list[psutil.Process]]) -> None:
    """Again and again, until none is found: they start others meanwhile."""
    while found := find():
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(found, timeout=0.2)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does; by default it would end the process, and leave the cluster."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    try:
        with SlurmCluster() as cluster:
            print(
                f"A SLURM cluster runs: nodes {' and '.join(cluster.nodes)}, a GPU each, partitions gpu and urgent.\n"
                f"Its files and logs: {cluster.folder}\n"
                "Try in another terminal:\n"
                "    srun --gpus=1 env | grep CUDA_VISIBLE_DEVICES\n"
                "    snakemake quick --workflow-profile profiles/slurm --config device=cpu\n"
                "        (set slurm_partition to gpu there, and remove the line slurm_account)\n"
                "Ctrl-C stops it.",
                flush=True,
            )
            threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
    except RuntimeError as fault:
        sys.exit(f"slurm_cluster: {fault}")


if __name__ == "__main__":
    main()
