"""Studies on a private Slurm of four nodes (cluster.py): submitted, stopped, killed, and finished without a person."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py

import cluster as slurm

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEMO = SOURCE / "jobs" / "demo"
SLURM = SOURCE / "slurm"
CATENARY = str(pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin")) / "catenary")
DEADLY = os.environ.get("CATENARY_DEADLY", str(pathlib.Path(CATENARY).parent.parent / "tests" / "libdeadly.so"))
MODELS = sorted((path.name for path in (DEMO / "models").iterdir()),
                key=lambda name: (DEMO / "models" / name / "model.safetensors").stat().st_size)
TRIES = int(os.environ.get("CATENARY_SLURM_TRIES", "1"))  # of each kind of death


@unittest.skipIf(slurm.why_not(), f"no Slurm here: {slurm.why_not()}")
class SlurmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(slurm.Cluster())
        try:
            tasks = subprocess.run(["srun", "--unbuffered", f"-N{slurm.NUM_NODES}", "hostname"], env=cls.cluster.env, capture_output=True,
                                   text=True, timeout=300)
        except subprocess.TimeoutExpired:
            raise unittest.SkipTest("no Slurm here: srun does not end")
        if len(tasks.stdout.splitlines()) != slurm.NUM_NODES:  # a container without /dev/pts, say
            raise unittest.SkipTest(f"no Slurm here: srun starts no tasks: {tasks.stderr}")
        cls.references = {}  # by spec
        cls.reference_folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="catenary-test-")))

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catenary-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = self.folder / "study.h5"
        self.addCleanup(self.empty_the_queue)
        began = time.monotonic()
        self.addCleanup(lambda: print(f"{time.monotonic() - began:.0f} s", end=" ", flush=True))
        self.env = dict(self.cluster.env, XDG_CONFIG_HOME=str(self.folder / "config"), OMP_NUM_THREADS="1")

    def empty_the_queue(self):
        subprocess.run(["scancel", "--me"], env=self.env, check=False)
        self.start_dead_slurmds()
        self.cluster.wait(lambda: not self.cluster.run("squeue", "-h"), "the queue does not become empty")
        for node in self.cluster.nodes_in("down,drain"):
            subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], env=self.env, check=False)
        self.cluster.wait(lambda: self.cluster.nodes_in("idle") == set(slurm.NODES), "the nodes do not come back")

    def start_dead_slurmds(self):
        for node in slurm.NODES:
            if node not in self.cluster.daemons:
                self.cluster.start_node(node)

    # ---- studies ---------------------------------------------------------------------------------------------------

    def spec(self, num_tasks=2, name="study", models=MODELS[:2]):
        """2 tasks and 2 models take a blink."""
        tasks = [{"name": f"t{i}", "path": str(DEMO / "tasks" / "negation.jsonl"), "limit": 300 - i} for i in range(num_tasks)]
        path = self.folder / "study.json"
        path.write_text(json.dumps({
            "name": name,
            "models": [{"name": m, "path": str(DEMO / "models" / m), "family": "demo"} for m in models],
            "tasks": tasks,
            "conditions": [{"name": "zero_shot", "kind": "zero_shot"}]}))
        return path

    def long_spec(self):
        """Takes four ranks four seconds on any machine: ranges are slow from now on."""
        self.env.update(LD_PRELOAD=DEADLY, CATENARY_SLOW_RANGE="50")
        return self.spec(60, models=MODELS[:1])

    def site(self, **settings):
        folder = pathlib.Path(self.env["XDG_CONFIG_HOME"]) / "catenary"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site.json").write_text(json.dumps(settings))

    def catenary(self, *args, code=0, **more):
        result = subprocess.run([CATENARY, *map(str, args)], env=self.env, capture_output=True, text=True, timeout=600, **more)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def submit(self, spec, *args, nodes=4, **more):
        """The ids of the jobs."""
        out = self.catenary("submit", spec, "-o", self.store, "--nodes", nodes, "--ranks-per-node", 1, "--threads", 1,
                            "--device", "cpu", *args, **more)
        return out.rsplit("scancel ", 1)[1].split("\n")[0].split()

    def log(self):
        path = self.store.with_suffix(".log")
        return path.read_text() if path.exists() else ""

    def status(self, store=None):
        result = subprocess.run([CATENARY, "status", store or self.store, "--json"], env=self.env, capture_output=True, text=True)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def wait_until_some_are_done(self, minimum=300):
        self.cluster.wait(lambda: (self.status() or {"done": {"num_items": 0}})["done"]["num_items"] >= minimum,
                          "the sweep does not get under way")

    def wait_for_the_study(self, job, code="0:0"):
        try:
            self.cluster.wait_for_job(job)
        except RuntimeError as e:
            self.fail(f"{e}\n{self.log()}")
        self.assertEqual(self.cluster.job_fields(job)["ExitCode"], code, f"{self.log()}\n{self.cluster.logs()}")

    def reference(self, spec):
        """The store that one process makes of it."""
        text = spec.read_text()
        if text not in self.references:
            self.references[text] = self.reference_folder / f"{len(self.references)}.h5"
            command = [CATENARY, "run", spec, "-o", self.references[text], "--threads", "1", "--device", "cpu"]
            subprocess.run(command, env=self.env | {"LD_PRELOAD": ""}, capture_output=True, check=True)
        return self.references[text]

    def assert_as_computed_by_one_process(self, spec):
        result = subprocess.run(["h5diff", self.reference(spec), self.store, "/scores"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(self.status()["pending"]["num_items"], 0)

    def ranks(self):
        """Processes of the sweep: {node: process}."""
        found = {}
        for process in self.cluster.processes():
            folder = pathlib.Path(f"/proc/{process}")
            try:
                if (folder / "exe").resolve().name == "catenary-run":
                    variables = dict(word.split("=", 1) for word in (folder / "environ").read_text().split("\0") if "=" in word)
                    found[variables["SLURMD_NODENAME"]] = (process, int(variables["SLURM_PROCID"]))
            except OSError:
                pass
        return found

    # ---- a study that nothing happens to ----------------------------------------------------------------------------

    def test_four_nodes_compute_what_one_process_does_and_the_fit_follows(self):
        spec = SOURCE / "jobs" / "demo.json"
        job, heir, fit = self.submit(spec, "--fit")
        self.wait_for_the_study(job)
        self.assertIn("a step of 4 ranks on n1 n2 n3 n4", self.log())
        self.assert_as_computed_by_one_process(spec)
        self.cluster.wait_for_job(heir, ["CANCELLED"])  # there is nothing left to go on with
        self.cluster.wait_for_job(fit, ["COMPLETED"])
        curves = json.loads((self.folder / "study" / "fit.json").read_text())["curves"]
        self.assertEqual(len(curves[0]["points"]), len(MODELS))

    def test_mpirun_starts_the_ranks_too(self):
        self.site(launcher=["mpirun"])
        spec = self.spec()
        job, _ = self.submit(spec)
        self.wait_for_the_study(job)
        self.assertIn("4 ranks on cpu", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_what_slurm_s_commands_print_beside_their_output_does_not_matter(self):
        folder = self.folder / "bin"
        folder.mkdir()
        for name in ("sbatch", "squeue", "sinfo", "scontrol"):
            wrapper = folder / name
            wrapper.write_text(f"""#!/bin/sh
echo '{name}: warning: 17 before' >&2
'{shutil.which(name, path=self.env["PATH"])}' "$@"
code=$?
echo '{name}: warning: 18 after' >&2
exit $code
""")
            wrapper.chmod(0o755)
        path = self.env["PATH"]
        self.env["PATH"] = f"{folder}:{path}"
        spec = self.spec()
        job, _ = self.submit(spec)
        self.env["PATH"] = path
        self.wait_for_the_study(job)
        self.assertIn("a step of 4 ranks on n1 n2 n3 n4", self.log())
        self.assert_as_computed_by_one_process(spec)

    # ---- stopped ---------------------------------------------------------------------------------------------------

    def test_the_time_limit_puts_the_job_back_into_the_queue_until_it_is_done(self):
        self.cluster.run("scancel", *self.submit(self.long_spec(), nodes=1))
        # A minute is Slurm's shortest limit, and it looks at the clock every 30 s.
        job = self.sbatch("--time=1", "--signal=B:USR1@59", self.store.with_suffix(".sbatch"))
        # However fast the machine is, the rank is still at work when the signal comes.
        self.wait_until_some_are_done()
        rank = self.ranks()["n1"][0]
        os.kill(rank, signal.SIGSTOP)
        self.cluster.wait(lambda: "SIGUSR1: the ranges in hand are finished" in self.log(), "Slurm sends no signal")
        os.kill(rank, signal.SIGCONT)
        self.wait_for_the_study(job)
        self.assertIn("the job goes back into the queue", self.log())
        self.assertGreaterEqual(int(self.cluster.job_fields(job)["Restarts"]), 1)
        self.assertEqual(self.status()["pending"]["num_items"], 0)
        self.catenary("status", self.store, "--verify")

    def test_scontrol_requeue(self):
        spec = self.long_spec()
        job, _ = self.submit(spec)
        self.wait_until_some_are_done()
        self.cluster.run("scontrol", "requeue", job)
        self.wait_for_the_study(job)
        self.assertIn("begun anew by Slurm", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_preemption(self):
        spec = self.long_spec()
        job, _ = self.submit(spec)
        self.wait_until_some_are_done()
        urgent = self.cluster.run("sbatch", "--parsable", "--partition=urgent", "--nodes=4", "--exclusive", "--output=/dev/null",
                                  "--wrap=true").strip()
        self.assertEqual(self.cluster.wait_for_job(urgent), "COMPLETED")
        self.wait_for_the_study(job)
        self.assertIn("begun anew by Slurm", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_scancel_and_submit_again(self):
        spec = self.long_spec()
        jobs = self.submit(spec)
        self.wait_until_some_are_done()
        self.cluster.run("scancel", *jobs)
        self.cluster.wait_for_job(jobs[0], ["CANCELLED"])
        self.assertGreater(self.status()["pending"]["num_items"], 0)
        job, _ = self.submit(spec)
        self.wait_for_the_study(job)
        self.assertIn("going on with", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_a_chain_where_jobs_may_not_be_requeued(self):
        self.site(requeue=False)
        spec = self.long_spec()
        jobs = self.submit(spec, "--jobs", 3)
        self.assertEqual(len(jobs), 3)
        self.wait_until_some_are_done()
        self.cluster.run("scancel", "--batch", "--signal=USR1", jobs[0])
        self.wait_for_the_study(jobs[0], "75:0")
        self.wait_for_the_study(jobs[1])
        self.cluster.wait_for_job(jobs[2], ["CANCELLED"])
        self.assert_as_computed_by_one_process(spec)

    # ---- killed ----------------------------------------------------------------------------------------------------

    def start_anew(self):
        for path in self.folder.glob("study.*"):
            if path.suffix != ".json":
                path.unlink()

    def survives(self, what, *args, **more):
        for _ in range(TRIES):
            self.start_anew()
            spec = self.long_spec()
            jobs = self.submit(spec, *args, **more)
            self.wait_until_some_are_done()
            what(jobs[0])
            self.cluster.wait(lambda: (self.status() or {"pending": {"num_items": 1}})["pending"]["num_items"] == 0,
                              f"the study is not finished\n{self.log()}", 600)
            self.start_dead_slurmds()  # else the job is not over before Slurm takes the node for dead
            self.cluster.wait(lambda: all(self.cluster.job_state(job) not in ("RUNNING", "COMPLETING", "PENDING") for job in jobs),
                              f"the jobs do not end\n{self.log()}")
            self.assert_as_computed_by_one_process(spec)
            self.empty_the_queue()

    def test_a_killed_rank(self):
        self.survives(lambda job: os.kill(self.ranks()["n3"][0], signal.SIGKILL))
        self.assertIn("it is started again", self.log())

    def test_a_killed_slurmd(self):
        self.survives(lambda job: self.cluster.kill("n3"))
        self.assertEqual(self.log().count("a step of"), 1)  # its rank lives, and so does the step

    def test_a_killed_slurmd_with_its_rank(self):
        def kill(job):
            self.cluster.kill("n3")
            os.kill(self.ranks()["n3"][0], signal.SIGKILL)
        self.survives(kill)
        self.assertIn("node n3 is left out", self.log())
        self.assertIn("a step of 3 ranks on n1 n2 n4", self.log())
        self.assertNotIn(" died in ", self.log())  # it was the node, not the unit

    def test_a_node_that_goes_down_is_replaced_by_the_spare_one(self):
        def down(job):
            self.cluster.run("scontrol", "update", "nodename=n2", "state=down", "reason=test")
        self.survives(down, "--spare", 1, nodes=3)
        self.assertIn("a step of 3 ranks on n1 n2 n3", self.log())
        self.assertIn("a step of 3 ranks on n1 n3 n4", self.log())

    def test_the_node_of_the_batch_script_goes_down(self):
        def down(job):
            self.cluster.run("scontrol", "update", "nodename=n1", "state=down", "reason=test")
            self.cluster.wait(lambda: self.cluster.job_state(job) not in ("RUNNING", "COMPLETING"), "the job outlives its node")
            if "n1" in self.cluster.nodes_in("down"):
                self.cluster.run("scontrol", "update", "nodename=n1", "state=resume")
        self.survives(down)

    def test_a_unit_that_kills_its_rank_twice_is_left_out(self):
        spec = self.spec(8, models=[MODELS[0], MODELS[-1]])
        reference = self.reference(spec)
        with h5py.File(reference) as file:
            unit = len(file["units/id"]) - 3  # one of the larger model's
            names = [file["models/name"][file["units/model_index"][unit]].decode(), file["tasks/name"][file["units/task_index"][unit]].decode()]
            deadly = file["units/id"][unit].decode()
        for i in range(TRIES):
            self.site(launcher=[["srun", "--mpi=pmix"], ["mpirun"]][i % 2],
                      environment={"LD_PRELOAD": DEADLY, "CATENARY_DEADLY_UNIT": deadly})
            self.start_anew()
            job = self.submit(spec, "--jobs", 1)[0]
            self.wait_for_the_study(job, "3:0")
            status = self.status()
            self.assertEqual((status["done"]["num_units"], status["failed"]["num_units"], status["pending"]["num_units"]), (15, 1, 0))
            failure = status["failures"][0]
            self.assertEqual([failure["model"], failure["task"]], names)
            self.assertEqual(len(re.findall(rf"rank \d died in {names[0]} x {names[1]} x zero_shot", self.log())), 2, self.log())
            self.assertIn("for the second time: this unit is recorded as failed", self.log())
            self.catenary("export", self.store, "-o", self.folder / "study.csv")
            self.catenary("export", reference, "-o", self.folder / "one.csv")
            study, one = ((self.folder / name).read_text().splitlines() for name in ("study.csv", "one.csv"))
            self.assertEqual(study, [line for line in one if [line.split(",")[3], line.split(",")[0]] != names])

    def test_a_step_that_dies_in_mpi_init_is_started_again(self):
        self.site(environment={"LD_PRELOAD": DEADLY, "CATENARY_DEADLY_START": str(self.folder / "died")})
        spec = self.spec()
        self.wait_for_the_study(self.submit(spec, "--jobs", 1)[0])
        self.assertTrue((self.folder / "died").exists())
        self.assertEqual(self.log().count("a step of 4 ranks"), 2, self.log())
        self.assertNotIn(" died in ", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_sweep_sbatch_by_hand_where_another_study_had_deaths(self):
        pathlib.Path(f"{self.store}.history").write_text(json.dumps({"deaths": {"f" * 32: 2}, "starts_without_progress": 0}))
        spec = self.spec()
        job = self.sbatch("--nodes=2", SLURM / "sweep.sbatch", spec, "-o", self.store, "--threads", "1", "--device", "cpu")
        self.wait_for_the_study(job)
        self.assertIn("a step of 2 ranks", self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_repairs_are_progress(self):
        spec = self.spec()  # of 20 ranges
        shutil.copy(self.reference(spec), self.store)
        with h5py.File(self.store, "r+") as file:
            file["scores/log_likelihood"][...] = 0
        self.env.update(LD_PRELOAD=DEADLY, CATENARY_ENDS_AT="11")
        job = self.sbatch(f"--wrap=exec {CATENARY} supervise --tries=1 -- {spec} -o {self.store} --threads 1 --device cpu")
        self.wait_for_the_study(job)
        self.assertEqual(self.log().count("a step of 1 rank"), 2, self.log())
        self.assert_as_computed_by_one_process(spec)

    def test_starts_without_progress_come_to_an_end(self):
        spec = self.spec()
        job = self.submit(spec, "--jobs", 1)[0]
        self.wait_for_the_study(job)
        self.store.write_bytes(b"this is no store")
        script = self.store.with_suffix(".sbatch")
        script.write_text(script.read_text().replace("--grace=120", "--tries=2"))
        job = self.cluster.run("sbatch", "--parsable", script).strip()
        self.wait_for_the_study(job, "1:0")
        self.assertIn("gave up: 2 starts in a row got nothing done", self.log())
        self.assertEqual(self.store.read_bytes(), b"this is no store")

    def test_what_another_sweep_writes_is_no_progress_of_the_job(self):
        spec = self.long_spec()
        with subprocess.Popen([CATENARY, "run", spec, "-o", self.store, "--threads", "1", "--device", "cpu"],
                              env=self.env | {"CATENARY_SLOW_RANGE": "200"}, stderr=subprocess.DEVNULL) as other:
            self.addCleanup(other.kill)
            self.wait_until_some_are_done()
            job = self.sbatch(f"--wrap=exec {CATENARY} supervise --tries=2 -- {spec} -o {self.store} --threads 1 --device cpu")
            self.wait_for_the_study(job, "1:0")
            self.assertIsNone(other.poll())
            other.kill()
        self.assertEqual(self.log().count("another sweep is writing this store"), 2, self.log())
        self.assertIn("gave up: 2 starts in a row got nothing done", self.log())

    # ---- arrays and nights -----------------------------------------------------------------------------------------

    def sbatch(self, *args):
        """Submits one of the launchers; the job's id."""
        return self.cluster.run("sbatch", "--parsable", f"--output={self.store.with_suffix('.log')}", *args, cwd=self.folder, env=self.env | {"CATENARY": CATENARY}).strip()

    def test_an_array_of_parts_is_merged_by_a_dependent_job_and_analysed_by_another(self):
        spec = self.spec(2, models=MODELS)
        array = [SLURM / "array.sbatch", 3, spec, "study", "--threads", "1", "--device", "cpu"]
        most, rest = (self.sbatch(f"--array={numbers}", *array) for numbers in ("1-2", "3"))
        merge = self.sbatch(f"--dependency=afterany:{most}:{rest}", SLURM / "merge.sbatch", 3, "study")
        analysis = self.sbatch(f"--dependency=afterok:{merge}", SLURM / "analysis.sbatch", "study.h5", "out")
        self.wait_for_the_study(merge)
        self.assertEqual(len(list(self.folder.glob("study.part*.h5"))), 3)
        self.assertEqual(self.status()["done"]["num_units"], 2 * len(MODELS))
        self.wait_for_the_study(analysis)
        self.assertIn("<html", (self.folder / "out" / "report.html").read_text()[:200])
        # The parts' models lie in the merged store in another order, so results are compared by name.
        self.catenary("export", self.store, "-o", self.folder / "merged.csv")
        self.catenary("run", spec, "-o", self.folder / "one.h5", "--threads", 1, "--device", "cpu")
        self.catenary("export", self.folder / "one.h5", "-o", self.folder / "one.csv")
        merged, one = (sorted((self.folder / name).read_text().splitlines()) for name in ("merged.csv", "one.csv"))
        self.assertEqual(len(one), 1 + len(MODELS) * (300 + 299))
        self.assertEqual(merged, one)

    def as_scrontab_starts_it(self):
        """The options and the script that scrontab makes of the lines in nightly.sbatch: its #SBATCH lines are not read."""
        text = (SLURM / "nightly.sbatch").read_text()
        options = " ".join(re.findall(r"#SCRON (.*)", text)).replace("--partition=gpu", "")
        options = options.replace("/path/to/nightly.log", str(self.store.with_suffix(".log")))
        command = re.search(r"0 2 \* \* \* (.*) /path/to/lab.json", text)[1].replace("/path/to/slurm", str(SLURM))
        script = self.folder / "scrontab.sh"
        script.write_text(f'#!/bin/sh\n# This job was submitted through scrontab\n#SCRON {options}\n{command} "$@"\n')
        return [*options.split(), "--nodes=2"], script

    def night(self, code, options=("--nodes=2",), script=None):
        """Runs tonight's job; its summary."""
        time.sleep(1.1)  # a night's name has its second
        words = ["-o", str(self.folder / "nights"), "--", "--threads", "1", "--device", "cpu"]
        job = self.sbatch(*options, script or SLURM / "nightly.sbatch", self.folder / "study.json", *words)
        self.wait_for_the_study(job, f"{code}:0")
        night = max((self.folder / "nights").iterdir())
        self.assertTrue((night / "report.html").exists())
        self.assertTrue((night / "fit" / "fit.json").exists())
        self.assertEqual(json.loads((night / "summary.json").read_text())["exit_code"], code)
        return (night / "summary.txt").read_text()

    def test_a_regression_is_found_the_night_it_comes_and_told_until_it_is_gone(self):
        checkpoints = self.folder / "checkpoints"
        checkpoints.mkdir()
        for name in MODELS[1:4]:
            shutil.copytree(DEMO / "models" / name, checkpoints / name)
        (self.folder / "study.json").write_text(json.dumps({
            "name": "lab", "models": [{"folder": "checkpoints"}],
            "tasks": [{"name": "recall", "path": str(DEMO / "tasks" / "recall.jsonl")}],
            "conditions": [{"name": "zero_shot", "kind": "zero_shot"}]}))
        self.assertIn("the first night", self.night(0, *self.as_scrontab_starts_it()))
        shutil.copytree(DEMO / "models" / MODELS[4], checkpoints / MODELS[4])
        self.night(0)  # a new checkpoint is no regression
        self.assertIn("5 of 20 item ranges to do", self.log())  # of 300 items of the new one; the rest was computed before
        good = checkpoints / MODELS[4] / "model.safetensors"
        kept = good.read_bytes()
        shutil.copy(DEMO / "models" / MODELS[0] / "config.json", checkpoints / MODELS[4])
        shutil.copy(DEMO / "models" / MODELS[0] / "model.safetensors", good)
        summary = self.night(3)
        self.assertIn("NOT GOOD", summary)
        self.assertIn(MODELS[4], summary)
        shutil.copy(DEMO / "models" / MODELS[4] / "config.json", checkpoints / MODELS[4])
        good.write_bytes(kept)
        self.night(0)
        self.assertIn("0 of 20 item ranges to do", self.log())

    # ---- doctor ----------------------------------------------------------------------------------------------------

    def test_doctor_tries_all_nodes_of_a_job(self):
        out = self.cluster.run("salloc", "-N3", "--ntasks-per-node=1", "--quiet", CATENARY, "doctor", self.folder, "--json")
        findings = {finding["what"]: finding for finding in json.loads(out[out.index("{"):])["findings"]}
        for what, found in (("Slurm", "its controller answers"), ("partition", "4 nodes of 4 cores, 2 GPUs, 4096 MiB"),
                            ("srun --mpi=pmix", "srun knows it"), ("MPI", "3 ranks on 1 host"),
                            ("all-reduce", "right over 3 ranks"), ("store", "written and read by 3 ranks")):
            self.assertEqual(findings[what]["grade"], "ok", findings[what])
            self.assertIn(found, findings[what]["found"])
        self.assertEqual(list(self.folder.glob(".catenary-doctor*")), [])

    def test_doctor_tells_what_is_wrong(self):
        self.site(partition="nowhere")
        said = self.catenary("doctor", self.folder / "absent", code=1)
        self.assertRegex(said, r'wrong +partition +sinfo does not tell of the partition "nowhere".*\n +-> name one')
        self.assertRegex(said, r"wrong +free space .*absent: No such")
        self.assertRegex(said, r"wrong +store .*absent")

    # ---- what is told ----------------------------------------------------------------------------------------------

    def test_names_paths_and_accounts_are_taken_literally(self):
        self.folder = self.folder / "a b $(touch evil) `touch evil` 'q' \"qq\" ;#&|<>*%j é"
        self.folder.mkdir()
        self.store = self.folder / "my $HOME store;%x.h5"
        self.site(environment={"CATENARY_TEST": "$(touch evil) 'x' \"y\" ;"}, sbatch=["--comment=$(touch evil) 'x' \"y\" ;#"])
        name = "n $(touch evil) 'q' \"qq\" ;#é"
        account = "my lab $(touch evil) 'q' \"qq\" ;#"
        spec = self.spec(name=name)
        job, _ = self.submit(spec, "--account", account, cwd=self.folder)
        shown = self.cluster.run("scontrol", "show", "job", job)
        self.assertIn(f"JobName={name}\n", shown)
        self.assertIn(f"Account={account} ", shown)
        self.assertIn("Comment=$(touch evil) 'x' \"y\" ;#", shown)
        self.wait_for_the_study(job)
        self.assert_as_computed_by_one_process(spec)
        self.assertEqual([path for path in self.folder.parent.rglob("evil*")], [])
        self.assertIn("done; next", self.log())

    def test_a_dry_run_shows_the_script_and_touches_nothing(self):
        shown = self.catenary("submit", self.spec(), "-o", self.store, "--dry-run", "--time", "3:00:00", "--partition", "main")
        self.assertIn("#SBATCH --time=03:00:00", shown)
        self.assertIn("#SBATCH --partition=main", shown)
        self.assertIn("#SBATCH --gpus-per-node=2", shown)  # which sinfo tells
        self.assertIn("#SBATCH --ntasks-per-node=2", shown)
        self.assertIn("#SBATCH --nodes=1\n", shown)
        self.assertIn("1 node x 2 ranks, predicted: 1 min", shown)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["study.json"])

    def test_jobs_of_the_same_store_are_told(self):
        self.site(sbatch=["--hold"])
        self.submit(self.spec())
        self.assertIn("in the queue already for this store: job ", self.catenary("submit", self.spec(), "-o", self.store))
        other = self.catenary("submit", self.spec(), "-o", self.store.with_stem("other"))
        self.assertNotIn("in the queue already", other)

    def test_json_says_what_was_submitted(self):
        said = json.loads(self.catenary("submit", self.spec(), "-o", self.store, "--nodes", 2, "--ranks-per-node", 1, "--threads", 1,
                                        "--device", "cpu", "--jobs", 2, "--fit", "--json"))
        self.assertEqual((said["nodes"], said["ranks_per_node"], len(said["jobs"])), (2, 1, 2))
        self.assertEqual(said["script"], self.store.with_suffix(".sbatch").read_text())
        self.assertEqual(said["predictions"][-1]["nodes"], 2)
        self.wait_for_the_study(said["jobs"][0])
        self.cluster.wait_for_job(said["fit_job"], ["COMPLETED"])

    def test_the_simulator_says_how_many_nodes(self):
        self.site(flops_per_rank=1e4)
        shown = self.catenary("submit", self.spec(), "-o", self.store, "--dry-run")
        self.assertRegex(shown, r"(?s)1 node x 2 ranks, predicted: .*\n2 nodes x .*\n4 nodes x 2 ranks, predicted: ")
        self.assertIn("#SBATCH --nodes=4\n", shown)

    def test_what_slurm_refuses_is_told(self):
        self.assertIn("4 nodes and 1 spare are asked for, and 4 are there", self.catenary(
            "submit", self.spec(), "-o", self.store, "--nodes", 4, "--spare", 1, code=2))
        self.assertIn("--ranks-per-node 3: a rank needs a GPU of its own, and a node has 2", self.catenary(
            "submit", self.spec(), "-o", self.store, "--ranks-per-node", 3, code=2))
        self.assertIn("sinfo does not tell of the partition \"x\"", self.catenary(
            "submit", self.spec(), "-o", self.store, "--partition", "x", code=2))
        self.site(sbatch=["--constraint=no such feature"])
        self.assertIn("study.sbatch: sbatch: error", self.catenary("submit", self.spec(), "-o", self.store, code=1))

    def test_ranks_that_srun_does_not_introduce_to_one_another_are_refused(self):
        result = subprocess.run(["srun", "-N2", CATENARY, "run", self.spec(), "-o", self.store], env=self.env, capture_output=True, text=True)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stderr.count("srun started 2 tasks that do not know of one another; use srun --mpi=pmix"), 1)

    def test_gpus_that_slurm_gives_and_cannot_be_used_are_told_before_anything_is_written(self):
        command = ["srun", "--mpi=pmix", "-N2", "--gpus-per-node=2", CATENARY, "run", self.spec(), "-o", self.store]
        result = subprocess.run(command, env=self.env, capture_output=True, text=True)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stderr.count("Slurm gives this step the GPUs 0,1 of its node, and none can be used"), 1, result.stderr)
        self.assertFalse(self.store.exists())
        self.assertIn("done; next", subprocess.run([*command, "--device", "cpu"], env=self.env, capture_output=True, text=True).stderr)

    def test_mistakes_in_the_site_file_are_told_at_once(self):
        self.site(partitions="main", requeue="yes", modules="x", environment={"a b": "c", "D": 1}, cpus_per_node=0)
        said = self.catenary("submit", self.spec(), "--dry-run", code=2)
        for text in ("/partitions: no such setting; there are account", "/requeue: expected true or false, found \"yes\"",
                     "/modules: expected a list of lines of text", "/environment: expected an object of lines of text",
                     "/cpus_per_node: expected a whole number of at least 1, found 0"):
            self.assertIn(text, said)

    def test_supervise_outside_a_job_is_refused(self):
        self.assertIn("SLURM_JOB_ID is not set", self.catenary("supervise", "--", self.spec(), "-o", self.store, code=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
