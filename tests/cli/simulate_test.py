"""plan --simulate as a user runs it."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CATENARY = str(pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin")) / "catenary")
LADDER = SOURCE / "jobs" / "540b.json"


def run(*args):
    return subprocess.run([CATENARY, *map(str, args)], capture_output=True, text=True)


class SimulateTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def simulate(self, spec, machine, *more):
        result = run("plan", spec, "--simulate", machine, "--json", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["simulation"]

    def small_ladder(self, **units):
        spec = json.loads(LADDER.read_text())
        spec["units"] |= {"tasks": 20, "conditions": 10} | units
        path = self.folder / "workload.json"
        path.write_text(json.dumps(spec))
        return path

    def test_the_shapes_of_the_ladder_have_the_published_sizes(self):
        """Loading reads all parameters, of two bytes, at 1 GB/s: seconds x ranks / 2 are billions of parameters."""
        ladders = json.loads(run("models", "list", "--json").stdout)["ladders"]
        sizes = {repository.split("/")[1]: member["num_parameters"] for ladder in ladders for member in ladder["models"]
                 for repository in (member["base"], member["instruct"]) if repository}
        # Chowdhery et al. 2022 (arXiv:2204.02311), table 1.
        sizes |= {"PaLM-8B": 8.63e9, "PaLM-62B": 62.50e9, "PaLM-540B": 540.35e9}
        models = self.simulate(self.small_ladder(tasks=1, conditions=1), "nodes=2,gpus=8,gpu=h200,load=1")["models"]
        self.assertEqual(len(models), 25)
        for model in models:
            parameters = model["load_seconds"] * model["tensor_parallel_size"] / 2 * 1e9
            self.assertAlmostEqual(parameters / sizes[model["model"]], 1, delta=0.012, msg=model["model"])

    def test_models_get_the_devices_that_hold_them(self):
        simulation = self.simulate(self.small_ladder(), "nodes=8,gpus=8,gpu=h100")
        size = {model["model"]: model["tensor_parallel_size"] for model in simulation["models"]}
        # Weights in bfloat16 against 80 GB: 141 GB of Llama 70B on two, 352 of BLOOM on eight (its heads allow no 5),
        # 1081 of PaLM on sixteen.
        self.assertEqual([size[m] for m in ("pythia-12b", "Qwen2.5-32B", "Llama-3.1-70B", "bloom", "PaLM-540B")], [1, 1, 2, 8, 16])
        for model in simulation["models"]:
            self.assertLess(model["memory_bytes"], 80e9)
        on_h200 = {m["model"]: m["tensor_parallel_size"] for m in self.simulate(self.small_ladder(), "nodes=8,gpus=8,gpu=h200")["models"]}
        self.assertEqual([on_h200[m] for m in ("Llama-3.1-70B", "bloom", "Llama-3.1-405B", "PaLM-540B")], [2, 4, 8, 16])

    def test_the_makespan_is_near_its_lower_bound_and_scales(self):
        simulation = self.simulate(self.small_ladder(), "nodes=8,gpus=8,gpu=h100")
        self.assertGreaterEqual(simulation["makespan_seconds"], simulation["lower_bound_seconds"])
        self.assertLess(simulation["makespan_seconds"], 1.06 * simulation["lower_bound_seconds"])
        half, own, double = simulation["allocations"]
        self.assertEqual([half["nodes"], own["nodes"], double["nodes"]], [4, 8, 16])
        self.assertAlmostEqual(half["lower_bound_seconds"], 2 * own["lower_bound_seconds"])
        self.assertGreater(half["makespan_seconds"], own["makespan_seconds"])
        self.assertGreater(own["makespan_seconds"], double["makespan_seconds"])

    def test_ways_of_dealing_out_are_compared_and_drawn(self):
        picture = self.folder / "gantt.svg"
        simulation = self.simulate(self.small_ladder(), "nodes=8,gpus=8,gpu=h100", "--compare", "--gantt", picture)
        over = {(row["strategy"], row["disturbances"]): row["makespan_seconds"] / row["lower_bound_seconds"]
                for row in simulation["strategies"]}
        self.assertEqual(len(over), 15)
        for (strategy, disturbances), ratio in over.items():
            self.assertGreaterEqual(ratio, over["policy", disturbances] if strategy != "policy" else 1)
        root = xml.etree.ElementTree.parse(picture).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertGreater(len(root), 100)

    def test_a_sweep_of_models_that_are_here_is_simulated_too(self):
        result = run("plan", SOURCE / "jobs/demo.json", "--simulate", "nodes=1,gpus=4,gpu=a100")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("56 units in 280 ranges", result.stdout)
        self.assertIn("demo-1685k", result.stdout)

    def test_mistakes_are_told(self):
        for arguments, text in (
                ([LADDER], "they need --simulate"),
                ([LADDER, "--simulate", "nodes=0"], 'nodes: expected a whole number from 1 to 100000, found "0"'),
                ([LADDER, "--simulate", "gpu=h1000"], 'gpu: expected one of v100, a100-40gb, a100, l40s, h100, h200, found "h1000"'),
                ([LADDER, "--simulate", "cores=3"], 'expected nodes=, gpus=, gpu=, efficiency= or load=, found "cores=3"'),
                ([LADDER, "--simulate", "nodes=1"], "PaLM-540B needs 16 h100, and there are 8"),
                ([SOURCE / "jobs/demo.json", "--compare"], "--simulate")):
            result = run("plan", *arguments)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(text, result.stderr + result.stdout)
        path = self.folder / "bad.json"
        path.write_text(json.dumps({"name": "", "dtype": "int8", "shapes": [{"name": "m", "hidden_size": 0, "num_heads": 3, "num_kv_heads": 2}],
                                    "units": {"tasks": 1.5, "more": 1}}))
        result = run("plan", path, "--simulate", "nodes=1")
        self.assertEqual(result.returncode, 2)
        for text in ("/name: expected a text", "/dtype", "/shapes/0/hidden_size: expected a whole number of at least 1, found 0",
                     "/shapes/0/vocab_size: expected a whole number of at least 1", "/shapes/0/num_kv_heads: expected a divisor of num_heads, 3",
                     "/units/tasks: expected a whole number of at least 1, found 1.5", "/units/more: no such key"):
            self.assertIn(text, result.stderr)


if __name__ == "__main__":
    unittest.main()
