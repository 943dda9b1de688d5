"""What the tests of the programs share: how they are run, and sweep specs on the demo ladder."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEMO = SOURCE / "jobs" / "demo"
REFERENCE = SOURCE / "tests" / "reference"
BIN = pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin"))
CATENARY = str(BIN / "catenary")
MPIEXEC = os.environ.get("MPIEXEC", "mpirun")
# As root in a container, and with more ranks than cores: Open MPI wants to be told that this is meant.
for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"):
    os.environ.setdefault(name, "1")
MODELS = sorted(path.name for path in (DEMO / "models").iterdir())


def smallest_models(count):
    size = lambda name: (DEMO / "models" / name / "model.safetensors").stat().st_size
    return sorted(MODELS, key=size)[:count]


def start(*args, ranks=None, **popen):
    launcher = [MPIEXEC, "-n", str(ranks)] if ranks else []
    return subprocess.Popen([*launcher, CATENARY, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **popen)


class Result:
    def __init__(self, process):
        self.out, self.err = process.communicate(timeout=300)
        self.code = process.returncode


def run(*args, ranks=None, **popen):
    return Result(start(*args, ranks=ranks, **popen))


class SweepTestCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catenary-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def spec(self, name="sweep.json", models=None, tasks=None, conditions=None, **more):
        """A sweep spec on the demo ladder; by default two models, two tasks, zero- and three-shot."""
        spec = {
            "name": "test",
            "models": models or [{"name": m, "path": str(DEMO / "models" / m)} for m in smallest_models(2)],
            "tasks": tasks or [{"name": t, "path": str(DEMO / "tasks" / f"{t}.jsonl")} for t in ("negation", "recall")],
            "conditions": conditions or [
                {"name": "zero_shot", "kind": "zero_shot"},
                {"name": "few_shot_3", "kind": "few_shot", "k": 3, "seed": 1, "exemplars": "per_item", "separator": "\n"},
            ],
            **more,
        }
        path = self.folder / name
        path.write_text(json.dumps(spec))
        return path

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def check(self, result, code, *texts):
        self.assertEqual(result.code, code, result.err + result.out)
        for text in texts:
            self.assertIn(text, result.err + result.out)

    def assert_same_scores(self, a, b, *groups):
        for group in groups or ("/scores",):
            result = subprocess.run(["h5diff", str(a), str(b), group], capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def long_spec(self):
        """Some seconds of work: every model of the ladder on twenty tasks."""
        many = [{"name": f"t{i}", "path": str(DEMO / "tasks" / "negation.jsonl")} for i in range(20)]
        return self.spec("long.json", tasks=many, models=[{"name": m, "path": str(DEMO / "models" / m)} for m in MODELS],
                         conditions=[{"name": "zero_shot", "kind": "zero_shot"}])

    def wait_until_some_are_done(self, store, minimum=1):
        for _ in range(600):
            if store.exists():
                status = json.loads(run("status", store, "--json").out or "{}")
                if status and status["done"]["num_items"] >= minimum:
                    return
            time.sleep(0.05)
        self.fail("the sweep did not get under way")
