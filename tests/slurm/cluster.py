"""A private Slurm of four nodes on this host, for the tests and for trying things: munge, slurmctld, four slurmd, two GPUs a node
that are /dev/null. Needs the packages munge and slurm-wlm; no root, no systemd, no cgroups.

    python3 tests/slurm/cluster.py            a shell in which sbatch, srun and squeue know the cluster; ends with the shell
    python3 tests/slurm/cluster.py COMMAND…   one command instead of the shell
"""

import atexit
import ctypes
import fcntl
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NUM_NODES, CPUS_PER_NODE, GPUS_PER_NODE, MIB_PER_NODE = 4, 4, 2, 4096
NODES = [f"n{i + 1}" for i in range(NUM_NODES)]
DAEMONS = ("munged", "slurmctld", "slurmd")

SLURM_CONF = """\
ClusterName=catenary
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A requeued job waits for the credential of its first start to expire.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task_prolog
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=2,batch_sched_delay=0,requeue_delay=1
PriorityType=priority/basic
ReturnToService=2
SlurmdParameters=config_overrides
SwitchType=switch/none
MailProg=/bin/true
KillWait=2
InactiveLimit=0
# A busy machine is no reason to take a node for dead.
SlurmctldTimeout=300
SlurmdTimeout=300
MessageTimeout=100
BatchStartTimeout=300
UnkillableStepTimeout=300
JobRequeue=1
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=256 State=UP PriorityTier=1 GraceTime=120
PartitionName=urgent Nodes=ALL MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=256 State=UP PriorityTier=2
"""


def why_not():
    """None where a cluster can be started, else the reason."""
    missing = [name for name in (*DAEMONS, "sbatch", "srun") if find(name) is None]
    return f"not installed: {', '.join(missing)} (Debian: munge slurm-wlm)" if missing else None


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(count):
    """Below those that the system gives to outgoing connections, which might take one before its daemon does."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = []
    while len(ports) < count:
        port = random.randrange(first_given // 2, first_given)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def processes_of(folder):
    """All processes of the cluster in this folder: those that have its SLURM_CONF."""
    mark = f"SLURM_CONF={folder}/slurm.conf\0".encode()
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + b"\0" and int(process.name) != os.getpid():
                found.append(int(process.name))
        except OSError:
            pass
    return found


def remove_traces(folder):
    for process in processes_of(folder):  # steps, and daemons that outlived their parents' SIGTERM
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    shutil.rmtree(folder, ignore_errors=True)
    for shared_memory in pathlib.Path("/dev/shm").glob(f"{folder.name}-*"):
        shutil.rmtree(shared_memory, ignore_errors=True)


def lock_owner(folder):
    """An open file that keeps the folder for as long as this process lives; None if another one has it."""
    owner = open(folder / "in_use", "a")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return owner
    except BlockingIOError:
        owner.close()
        return None


def remove_leftovers():
    """Of clusters whose test was killed."""
    for folder in pathlib.Path("/tmp").glob("catenary-slurm-*"):
        if folder.stat().st_uid != os.getuid() or not (folder / "in_use").exists():
            continue
        if owner := lock_owner(folder):
            remove_traces(folder)
            owner.close()


class Cluster:
    """Started by `with Cluster() as cluster`. cluster.env is the environment in which Slurm's commands know it."""

    def __enter__(self):
        remove_leftovers()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # unittest would take another exception for a failed test
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catenary-slurm-", dir="/tmp"))  # a socket's path is short
        self.folder.chmod(0o755)  # munge asks for it
        self.owner = lock_owner(self.folder)
        self.daemons = {}
        atexit.register(self.stop)  # unittest does not clean up after an interrupt
        self.env = dict(os.environ, SLURM_CONF=str(self.folder / "slurm.conf"), OMPI_ALLOW_RUN_AS_ROOT="1",
                        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl="self,vader,tcp", OMPI_MCA_pml="ob1",
                        OMPI_MCA_btl_tcp_if_include="lo", OMPI_MCA_oob_tcp_if_include="lo", OMPI_MCA_mpi_yield_when_idle="1",
                        OMPI_MCA_btl_vader_single_copy_mechanism="none", OMPI_MCA_hwloc_base_binding_policy="none",
                        OMPI_MCA_rmaps_base_oversubscribe="1")
        for name in [name for name in self.env if name.startswith(("SLURM_", "SBATCH_")) and name != "SLURM_CONF"]:
            del self.env[name]
        try:
            self.configure()
            self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                       f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid",
                       f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed")
            self.wait(lambda: (self.folder / "munge.socket").exists(), "munged does not start")
            self.start("slurmctld", "-D")
            for node in NODES:
                self.start_node(node)
            self.wait(lambda: self.nodes_in("idle") == set(NODES), "the nodes do not come up")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        atexit.unregister(self.stop)
        for daemon in ("slurmctld", *NODES, "munged"):
            if daemon in self.daemons:
                self.kill(daemon, signal.SIGTERM)
        remove_traces(self.folder)
        self.owner.close()

    def shared_memory(self, node):
        return pathlib.Path("/dev/shm") / f"{self.folder.name}-{node}"

    def configure(self):
        ports = free_ports(NUM_NODES + 1)
        (self.folder / "state").mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        # Nodes of one host would map each other's segments, which are named by host, user and local rank.
        prolog = self.folder / "task_prolog"
        prolog.write_text("#!/bin/sh\n"
                          f'echo "export OMPI_MCA_btl_vader_backing_directory=/dev/shm/{self.folder.name}-$SLURMD_NODENAME"\n')
        prolog.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        conf = SLURM_CONF.format(host=host, ports=ports, user=pwd.getpwuid(os.getuid()).pw_name, folder=self.folder)
        for node, port in zip(NODES, ports[1:], strict=True):
            (self.folder / f"spool.{node}").mkdir()
            (self.folder / f"tmp.{node}").mkdir()
            self.shared_memory(node).mkdir()
            conf += (f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS_PER_NODE} Sockets=1 "
                     f"CoresPerSocket={CPUS_PER_NODE} ThreadsPerCore=1 RealMemory={MIB_PER_NODE} Gres=gpu:fake:{GPUS_PER_NODE}\n")
        (self.folder / "slurm.conf").write_text(conf)
        for gpu in range(GPUS_PER_NODE):
            (self.folder / f"gpu{gpu}").symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName={','.join(NODES)} Name=gpu Type=fake File={self.folder}/gpu[0-{GPUS_PER_NODE - 1}]\n")
        # Without it a rank may leave MPI_Init before the others have come, and crash.
        (self.folder / "mpi.conf").write_text("PMIxCollFence=ring\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # not used, but v2 would ask for systemd

    def start(self, program, *args, name=None):
        name = name or program
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen([find(program), *args], env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                                  stderr=out, start_new_session=True, preexec_fn=die_with_parent)

    def start_node(self, node):
        self.start("slurmd", "-D", "-N", node, name=node)

    def kill(self, daemon, number=signal.SIGKILL):
        process = self.daemons.pop(daemon)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def processes(self):
        return processes_of(self.folder)

    def logs(self):
        """The ends of what the daemons say."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in self.folder.glob("*.out"))

    def wait(self, is_so, problem, seconds=300):
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise RuntimeError(f"{problem}\n{self.logs()}")
            time.sleep(0.1)

    def run(self, *command, **more):
        """A command's standard output. Slurm's commands now and then die of SIGPIPE, and are then tried again."""
        for _ in range(5):
            result = subprocess.run([*map(str, command)], **{"env": self.env} | more, capture_output=True, text=True, timeout=300)
            if result.returncode != -signal.SIGPIPE:
                break
        if result.returncode != 0:
            raise RuntimeError(f"{command} ended with {result.returncode}: {result.stderr}")
        return result.stdout

    def nodes_in(self, state):
        result = subprocess.run(["sinfo", "-h", "-N", "-t", state, "-o", "%N"], env=self.env, capture_output=True, text=True)
        return set(result.stdout.split())

    def job_state(self, job):
        """RUNNING, COMPLETED, …; all that scontrol knows of the job is in job_fields."""
        return self.job_fields(job)["JobState"]

    def job_fields(self, job):
        text = self.run("scontrol", "show", "job", "-o", job)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def wait_for_job(self, job, states=("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"), seconds=600):
        self.wait(lambda: self.job_state(job) in states, f"job {job} does not come to {states}", seconds)
        return self.job_state(job)


if __name__ == "__main__":
    reason = why_not()
    if reason:
        sys.exit(reason)
    with Cluster() as this:
        sys.exit(subprocess.run(sys.argv[1:] or [os.environ.get("SHELL", "bash")], env=this.env).returncode)
