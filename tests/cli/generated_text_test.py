"""What models write: reasoning under cot and the answers to numeric items, against Hugging Face and against itself."""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

from harness import DEMO, REFERENCE, SweepTestCase, run, smallest_models, start

SMOLLM2 = pathlib.Path(os.environ.get("CATENARY_TEST_MODEL", ""))

# The demo ladder's words; what a model of that size makes of them does not matter here.
REASON = {"kind": "cot", "trigger": " a", "answer_cue": " answer :"}
CONDITIONS = [
    {"name": "greedy", **REASON, "generation": {"max_new_tokens": 12}},
    {"name": "drawn", **REASON, "generation": {"max_new_tokens": 12, "temperature": 1.5, "top_p": 0.95, "seed": 3}},
    {"name": "other seed", **REASON, "generation": {"max_new_tokens": 12, "temperature": 1.5, "top_p": 0.95, "seed": 4}},
    {"name": "zero_shot", "kind": "zero_shot"},
]


def lines(*args):
    result = run(*args)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def read_number(text):
    """As docs/tasks.md says, with a pattern for what a number is."""
    text = text.split("\n")[0].strip().translate(str.maketrans("", "", ",()")).rstrip(".")
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else None


class GeneratedTextTest(SweepTestCase):
    def written(self, num_models=2, copies=1):
        """A spec whose models write: reasoning before a class, and numbers."""
        numbers = self.write("numbers.jsonl", "".join(
            json.dumps({"prompt": f"which one is not a bird , {word} or saw ?", "true_answer": i, "anchor": 2 * i + 1}) + "\n"
            for i, word in enumerate(["finch", "robin", "hammer", "saw", "gull"] * 15)))
        tasks = [{"name": f"negation {i}", "path": str(DEMO / "tasks" / "negation.jsonl"), "limit": 130} for i in range(copies)]
        return self.spec(models=[{"name": m, "path": str(DEMO / "models" / m)} for m in smallest_models(num_models)],
                         tasks=[*tasks, {"name": "numbers", "path": str(numbers)}], conditions=CONDITIONS)

    def assert_same_results(self, a, b):
        self.assert_same_scores(a, b, "/scores", "/texts", "/text_bytes")

    def is_truncated(self, model, task, condition):
        spec = self.spec("one.json", models=[{"name": "m", "path": str(model)}], tasks=[{"name": "t", "path": str(task)}],
                         conditions=[{"name": "c", **condition}])
        store = self.folder / "one.h5"
        store.unlink(missing_ok=True)
        self.check(run("run", spec, "-o", store), 0)
        return json.loads(run("status", store, "--json").out)["num_items_truncated"] == 1

    def texts(self, store, dataset="num_tokens"):
        out = subprocess.run(["h5dump", "-y", "-d", f"/texts/{dataset}", str(store)], capture_output=True, text=True).stdout
        return [int(x) for x in re.search(r"DATA \{(.*?)\}", out, re.S)[1].replace(",", " ").split()]

    @unittest.skipUnless(SMOLLM2.is_file(), f"{SMOLLM2} is not there")
    def test_text_and_scores_are_those_of_transformers(self):
        cases = json.loads((REFERENCE / "generation" / "reasoning.json").read_text())
        groups = {}
        for case in cases:
            groups.setdefault((case["task"], json.dumps(case["condition"])), []).append(case)
        self.assertEqual(len(groups), 6)
        worst = 0
        for (task, condition), expected in groups.items():
            limit = 1 + max(case["item"] for case in expected)
            actual = lines("score", SMOLLM2, REFERENCE / "task" / f"{task}.jsonl", "--condition", condition, "--limit", limit)
            for case in expected:
                line = actual[case["item"]]
                self.assertEqual(line["texts"], case["texts"], case["prompt"])
                if task == "numeric":
                    self.assertEqual(line["estimate"], read_number(case["texts"][-1]))
                    continue
                for value, reference in zip(line["class_logprobs"], case["class_logprobs"], strict=True):
                    worst = max(worst, abs(value - reference))
        self.assertLess(worst, 2e-4)

    def test_any_number_of_ranks_and_any_company_give_the_same_text(self):
        spec = self.written()
        for ranks in (1, 2, 4):
            self.check(run("run", spec, "-o", self.folder / f"{ranks}.h5", "--threads", 1, ranks=ranks), 0, "done; next")
            self.assert_same_results(self.folder / "1.h5", self.folder / f"{ranks}.h5")
        # What is drawn depends on the item and the seed alone.
        model = min((DEMO / "models").iterdir(), key=lambda m: (m / "model.safetensors").stat().st_size)
        task = DEMO / "tasks" / "negation.jsonl"
        texts = {}
        for condition in CONDITIONS[:3]:
            words = {k: v for k, v in condition.items() if k != "name"}
            some = lines("score", model, task, "--threads", 1, "--condition", json.dumps(words), "--limit", 70)
            part = lines("score", model, task, "--threads", 1, "--condition", json.dumps(words), "--offset", 60, "--limit", 3)
            self.assertEqual([line["texts"] for line in some[60:63]], [line["texts"] for line in part])
            texts[condition["name"]] = [line["texts"][0] for line in some]
        self.assertNotEqual(texts["drawn"], texts["greedy"])
        self.assertNotEqual(texts["drawn"], texts["other seed"])
        self.assertGreater(len(set(texts["drawn"])), 60)

    def test_a_killed_sweep_goes_on_with_the_same_text(self):
        spec = self.written(num_models=3, copies=4)
        undisturbed, store = self.folder / "undisturbed.h5", self.folder / "killed.h5"
        self.check(run("run", spec, "-o", undisturbed, "--threads", 1), 0)
        for minimum in (1, 1000):
            process = start("run", spec, "-o", store, "--threads", 1)
            self.wait_until_some_are_done(store, minimum)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.assertGreater(json.loads(run("status", store, "--json").out)["pending"]["num_items"], 0)
        self.check(run("run", spec, "-o", store, "--threads", 1), 0, "going on with")
        self.assert_same_results(undisturbed, store)

    def test_metrics_of_numbers_follow_from_the_text(self):
        task = REFERENCE / "task" / "numeric.jsonl"
        if not SMOLLM2.is_file():
            self.skipTest(f"{SMOLLM2} is not there")
        spec = self.spec(models=[{"name": "m", "path": str(SMOLLM2)}], tasks=[{"name": "n", "path": str(task)}],
                         conditions=[{"name": "z", "kind": "zero_shot"}])
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store), 0)
        fitted = json.loads(run("fit", store, "--json", "--metric", "accuracy,unparsable,relative_error,anchoring").out)
        values = {curve["metric"]: curve["points"] for curve in fitted["curves"]}
        items = [json.loads(line) for line in task.read_text().splitlines()]
        written = [line["texts"][0] for line in lines("score", SMOLLM2, task, "--condition", "zero_shot")]
        numbers = [read_number(text) for text in written]
        self.assertTrue(any(n is None for n in numbers) and any(n is not None for n in numbers), written)
        read = [(n, item) for n, item in zip(numbers, items, strict=True) if n is not None]
        errors = [abs(n - item["true_answer"]) / item["true_answer"] for n, item in read]
        drawn = [(n - item["true_answer"]) / (item["anchor"] - item["true_answer"]) for n, item in read if "anchor" in item]
        mean = lambda values: sum(values) / len(values)
        self.assertAlmostEqual(values["accuracy"][0]["value"], mean([n == i["true_answer"] for n, i in zip(numbers, items)]), places=9)
        self.assertAlmostEqual(values["unparsable"][0]["value"], numbers.count(None) / len(numbers), places=9)
        for metric, expected in (("relative_error", errors), ("anchoring", drawn)):
            if len(expected) >= 5 and len(set(expected)) > 1:
                self.assertAlmostEqual(values[metric][0]["value"], mean(expected), places=9)
                self.assertEqual(values[metric][0]["n"], len(expected))

    def test_plan_counts_what_is_written(self):
        plan = {(u["model"], u["task"], u["condition"]): u for u in json.loads(run("plan", self.written(), "--json").out)["units"]}
        most = {key[1:]: unit["max_generated_tokens"] for key, unit in plan.items()}
        self.assertEqual(most["negation 0", "greedy"], 130 * 12)
        self.assertEqual(most["negation 0", "zero_shot"], 0)
        self.assertEqual(most["numbers", "greedy"], 75 * (12 + 32))
        self.assertEqual(most["numbers", "zero_shot"], 75 * 32)
        store = self.folder / "s.h5"
        self.check(run("run", self.written(), "-o", store, "--threads", 1), 0)
        tokens = self.texts(store)
        self.assertEqual(len(tokens), 2 * (3 * 130 + 3 * 2 * 75 + 75))
        self.assertLessEqual(sum(tokens), sum(unit["max_generated_tokens"] for unit in plan.values()))
        self.assertGreater(sum(tokens), 0)

    def test_reasoning_leaves_room_for_the_answer(self):
        model = DEMO / "models" / "demo-13k"
        context = json.loads((model / "config.json").read_text())["max_position_embeddings"]
        condition = {**REASON, "answer_cue": " bird saw bird", "generation": {"max_new_tokens": 2 * context, "temperature": 1.5}}
        task = self.write("t.jsonl", json.dumps({"prompt": "the finch", "classes": [" bird", " saw"], "answer_index": 0}) + "\n")
        line, = lines("score", model, task, "--condition", json.dumps(condition))
        self.assertGreater(len(line["texts"][0].split()), context / 4)
        self.assertEqual(len(line["class_logprobs"]), 2)
        self.assertTrue(self.is_truncated(model, task, condition), "the context ended the reasoning")
        self.assertFalse(self.is_truncated(model, task, {**condition, "generation": {"max_new_tokens": 8}}))
        long = self.write("long.jsonl", json.dumps({"prompt": "the finch " * context, "classes": [" bird", " saw"], "answer_index": 0}) + "\n")
        self.check(run("score", model, long, "--condition", json.dumps(condition)), 2, "item 0: ", f"the model's context is {context}")

    def test_a_memory_budget_changes_no_text(self):
        model, task = DEMO / "models" / "demo-1685k", DEMO / "tasks" / "negation.jsonl"
        condition = json.dumps({**REASON, "generation": {"max_new_tokens": 12}})
        args = ("score", model, task, "--threads", 1, "--condition", condition, "--limit", 70)
        refused = run(*args, "--memory-budget", "1MiB")
        self.check(refused, 2, "1 MiB of memory are too little: even a layer at a time the model needs")
        least = int(re.search(r"needs (\d+) MiB", refused.err)[1])
        within = run(*args, "--memory-budget", f"{least + 2}MiB")
        self.check(within, 0, "its layers are read while it computes")
        for expected, actual in zip(lines(*args), map(json.loads, within.out.splitlines()), strict=True):
            self.assertEqual(actual["texts"], expected["texts"])
            for a, b in zip(actual["class_logprobs"], expected["class_logprobs"], strict=True):
                self.assertAlmostEqual(a, b, places=4)

    def test_a_number_that_the_context_cuts_is_marked(self):
        model = DEMO / "models" / "demo-9k"
        context = json.loads((model / "config.json").read_text())["max_position_embeddings"]
        # A word is a token, and there is a BOS. The last token that is written is never fed.
        for num_words, is_cut in ((context - 32, False), (context - 31, True), (context - 1, True)):
            task = self.write("n.jsonl", json.dumps({"prompt": "which" + " saw" * (num_words - 1), "true_answer": 1}) + "\n")
            line, = lines("score", model, task, "--condition", "zero_shot")
            self.assertGreater(len(line["texts"][0].split()), 0)
            self.assertEqual(self.is_truncated(model, task, {"kind": "zero_shot"}), is_cut, num_words)


if __name__ == "__main__":
    unittest.main()
