"""plan, tasks show and tasks import as a user runs them; they need no libtorch."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEMO = SOURCE / "jobs" / "demo"
REFERENCE = SOURCE / "tests" / "reference" / "task"
CATENARY = str(pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin")) / "catenary")
CHATML = SOURCE / "tests" / "reference" / "chat_template" / "templates" / "chatml.jinja"


def run(*args):
    return subprocess.run([CATENARY, *map(str, args)], capture_output=True, text=True, timeout=300)


class TasksTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catenary-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, content):
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def spec(self, **changes):
        return self.write("sweep.json", {
            "name": "test",
            "models": [{"name": m, "path": str(DEMO / "models" / m)} for m in ("demo-13k", "demo-31k")],
            "tasks": [{"name": t, "path": str(DEMO / "tasks" / f"{t}.jsonl")} for t in ("negation", "recall")],
            "conditions": [{"name": "z", "kind": "zero_shot"}, {"name": "f", "kind": "few_shot", "k": 3, "separator": "\n"}],
            **changes})

    def check(self, result, code, *texts):
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        for text in texts:
            self.assertIn(text, result.stderr + result.stdout)

    def test_plan_counts_what_show_prints(self):
        plan = json.loads(run("plan", self.spec(), "--json").stdout)
        self.assertEqual(len(plan["units"]), 8)
        unit = plan["units"][3]
        self.assertEqual((unit["model"], unit["task"], unit["condition"]), ("demo-13k", "recall", "f"))
        shown = run("tasks", "show", DEMO / "tasks/recall.jsonl", "--items", "0..299", "--model", DEMO / "models/demo-13k",
                    "--condition", '{"kind": "few_shot", "k": 3, "separator": "\\n"}', "--tokens", "--json")
        fed = [encoded["ids"][:-1] for line in shown.stdout.splitlines()
               for encoded in json.loads(line)["prompts"][0]["tokens"]]
        self.assertEqual(unit["num_items"], 300)
        self.assertEqual(unit["random_accuracy"], 0.5)
        self.assertEqual(unit["num_continuations"], len(fed))
        self.assertEqual(unit["num_tokens"], sum(map(len, fed)))
        self.assertEqual(unit["num_distinct_tokens"], len({tuple(ids[: i + 1]) for ids in fed for i in range(len(ids))}))
        self.assertEqual(unit["longest_tokens"], max(map(len, fed)))
        self.assertEqual(unit["items_outside_context"], [])

    def test_plan_names_items_outside_the_context(self):
        lines = (DEMO / "tasks/recall.jsonl").read_text().splitlines()[:3]
        long = json.loads(lines[1])
        long["prompt"] = " ".join([long["prompt"]] * 1200)
        task = self.write("t.jsonl", "\n".join([lines[0], json.dumps(long), lines[2]]))
        spec = self.spec(tasks=[{"name": "t", "path": str(task)}], conditions=[{"name": "z", "kind": "zero_shot"}])
        plan = json.loads(run("plan", spec, "--json").stdout)
        self.assertEqual(plan["units"][0]["items_outside_context"], [1])
        self.check(run("plan", spec), 0, "demo-13k x t x z: 1 item does not fit a context of 8192 tokens and will be refused, the first is item 1")

    def test_what_cannot_be_run_is_refused_with_all_of_its_reasons(self):
        bad = self.write("bad.csv", "prompt,classes,answer_index\na,\"[' x', ' y']\",2\nb,[],0\n")
        spec = self.spec(
            tasks=[{"generate": "redefined", "n": 3}, {"name": "b", "path": str(bad)},
                   {"generate": "redefine", "n": 3, "settings": {"shots": 2}}])
        result = run("plan", spec)
        self.check(result, 2, '/tasks/0/generate: no task is called "redefined"; expected one of hindsight-neglect',
                   "bad.csv:2: answer_index: expected 0 to 1, found 2", "bad.csv:3: classes: expected a list of two or more",
                   '/tasks/2/generate: redefine has no setting "shots"; it has kind, largest, others')
        self.assertEqual(result.stdout, "")
        models = self.spec(models=[{"name": n, "path": str(self.folder / n)} for n in ("no-1", "no-2")])
        self.check(run("plan", models), 2, "/models/0/path", "/models/1/path")
        chat = self.spec(conditions=[{"name": "chat", "kind": "instruct"}])
        self.check(run("plan", chat), 2, "/conditions/0", "models/demo-13k has none", "models/demo-31k has none")
        template = self.spec(conditions=[{"name": "chat", "kind": "instruct", "chat_template": str(CHATML)}])
        self.check(run("plan", template), 0, "demo-31k")
        refusing = self.write("t.jinja", "{{ raise_exception('no system prompts') }}")
        self.check(run("plan", self.spec(conditions=[{"name": "chat", "kind": "instruct", "chat_template": str(refusing)}])), 2,
                   "/conditions/0", "no system prompts")
        shots = self.spec(conditions=[{"name": "f", "kind": "few_shot", "k": 400}])
        self.check(run("plan", shots), 2, "/conditions/0", "needs 400 exemplars besides the item")

    def test_show_prints_text_and_json(self):
        task = REFERENCE / "logodds.jsonl"
        self.check(run("tasks", "show", task, "--items", "3"), 0, "=== item 3 of 8, logodds, zero_shot ===",
                   "--- other_prompt ---\nQ: Many people I know say yes. Is Monday the best day?\nA:\n", '* 1 " No"')
        lines = run("tasks", "show", task, "--items", "6..20", "--json", "--format", "absolute_logodds").stdout.splitlines()
        self.assertEqual([json.loads(line)["item"] for line in lines], [6, 7])
        self.assertEqual(json.loads(lines[0])["format"], "absolute_logodds")
        self.check(run("tasks", "show", REFERENCE / "classification.jsonl", "--condition",
                       '{"kind": "few_shot+cot", "k": 1}', "--items", "2"), 0,
                   "Let's think step by step.\n--- the model's reasoning, then ---\n So the answer is\n")
        self.check(run("tasks", "show", task, "--condition", "instruct"), 2, "give --model")
        self.check(run("tasks", "show", task, "--condition", "chat"), 2, "--condition: /kind: expected")
        self.check(run("tasks", "show", task, "--items", "8"), 2, "the task has items 0..7, not 8")
        self.check(run("tasks", "show", task, "--items", "x"), 2, "expected 4 or 4..9")
        self.check(run("tasks", "show", self.folder / "none.jsonl"), 2, "none.jsonl")

    def test_import_writes_our_jsonl(self):
        arc = self.write("arc.jsonl", {"q": "Which?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "key": "B"})
        fields = {"prompt": "Q: {{q}}\nA:", "classes": "choices.text", "labels": "choices.label", "answer": "key"}
        out = self.folder / "out.jsonl"
        self.check(run("tasks", "import", arc, "-o", out, "--fields", json.dumps(fields)), 0, "1 item, classification")
        self.assertEqual(json.loads(out.read_text()), {"prompt": "Q: Which?\nA:", "classes": [" x", " y"], "answer_index": 1})
        # What is ours already stays as it is.
        for name in ("sequence_prob", "classification"):
            self.assertEqual([json.loads(line) for line in run("tasks", "import", REFERENCE / f"{name}.jsonl").stdout.splitlines()],
                             [json.loads(line) for line in (REFERENCE / f"{name}.jsonl").read_text().splitlines()])
        self.check(run("tasks", "import", arc, "-o", arc, "--fields", json.dumps(fields)), 2, "is the file that is read")
        self.check(run("tasks", "import", arc, "--fields", "{}"), 2, "--fields: /prompt: missing")
        bad = self.write("bad.jsonl", "{\n[]\n" + '{"prompt": "p", "completion": ""}\n')
        result = run("tasks", "import", bad, "-o", self.folder / "never.jsonl")
        self.check(result, 2, "bad.jsonl:1: not valid JSON", "bad.jsonl:2: expected an object, found array",
                   "bad.jsonl:3: completion: expected a string that is not empty")
        self.assertFalse((self.folder / "never.jsonl").exists())

    def test_text_that_is_not_utf8_is_refused_with_its_line(self):
        latin = self.folder / "latin.csv"
        latin.write_bytes("prompt,classes,answer_index\nplain,\"['a', 'b']\",0\ncafé,\"['é', 'b']\",0\n".encode("latin-1"))
        for command in ("import", "show"):
            result = run("tasks", command, latin)
            self.check(result, 2, "latin.csv:3: expected UTF-8")
            self.assertEqual(result.stdout, "")

    def test_words_that_are_not_known_are_named(self):
        self.check(run("nonsense"), 2, 'no command is called "nonsense"; expected one of', "\n  fit  ", "Curves and verdicts")
        self.check(run("tasks", "nonsense"), 2, 'no command is called "nonsense"; expected one of', "\n  import  ")
        self.check(run("models"), 2, "no command is named; expected one of", "\n  inspect")
        self.check(run("tasks", "generate", "nope"), 2, 'no task is called "nope"; expected one of')
        self.check(run("nonsense", "tasks", "list"), 2, 'no command is called "nonsense"')
        self.check(run("--nonsense"), 2, "there is no option --nonsense")
        self.check(run("fit", "a", "b", "c"), 2, "not expected: b c")
        self.check(run("--help"), 0, "Exit codes")
        self.check(run("help"), 0, "Exit codes")
        for command in ("fit",), ("models", "list"):
            self.assertEqual(run("help", *command).stdout, run(*command, "--help").stdout)

    def test_help_fits_a_terminal_and_mistakes_are_told_with_what_to_do(self):
        for command in ("run", "plan", "score", "submit", "fit"):
            for line in run(command, "--help").stdout.splitlines():
                if not line.startswith(("  catenary ", "  mpirun ")):  # an example
                    self.assertLessEqual(len(line), 80, line)
        for command in ("tasks", "models"):
            shown = run(command, "list")
            self.check(shown, 0)
            self.assertLessEqual(max(map(len, shown.stdout.splitlines())), 80)
        self.assertLessEqual(max(map(len, run("plan", SOURCE / "jobs" / "demo.json").stdout.splitlines()[1:])), 80)
        for size in ("8", "lots", "-1GiB", ""):
            self.check(run("run", "s.json", "-o", "s.h5", "--memory-budget", size), 2,
                       f'--memory-budget: expected a number and its unit, such as 8GiB or 512MiB, found "{size}"')
        self.check(run("nightly", "s.json", "-o", "nights", "--threads", "1"), 2, "options of `catenary run` go behind --")
        self.check(run("plan", "s.json", "--simulate"), 2, "nodes=N,gpus=N,gpu=NAME")
        self.check(run("run"), 2, "catenary: error: SWEEP is required")

    def test_a_class_without_its_space_is_told(self):
        table = self.write("t.csv", "prompt,classes,answer_index\nThe capital of France is,\"['Paris', 'Rome']\",0\n")
        self.check(run("tasks", "import", table), 0, 'warning: ', 't.csv: in 1 of 1 items', 'The capital of France isParis')
        spec = {"name": "s", "models": [{"name": "m", "path": str(DEMO / "models/demo-13k")}], "tasks": [{"name": "t", "path": str(table)}],
                "conditions": [{"name": "z", "kind": "zero_shot"}]}
        self.check(run("plan", self.write("s.json", json.dumps(spec))), 0, "isParis")

    def test_a_full_disk_does_not_cost_an_older_file(self):
        def small_disk():  # a limit on the file's size stands for it
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        old = self.write("old.jsonl", "old")
        link = self.folder / "link.jsonl"
        link.symlink_to(old)
        recall = DEMO / "tasks/recall.jsonl"
        for args in (("generate", "redefine", "--n", "1000"), ("import", recall)):
            result = subprocess.run([CATENARY, "tasks", *map(str, args), "-o", str(old)], capture_output=True, text=True,
                                    preexec_fn=small_disk, restore_signals=False, timeout=300)
            self.check(result, 1, "old.jsonl: cannot be written: File too large")
            self.assertEqual(old.read_text(), "old")
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["link.jsonl", "old.jsonl"])
        self.check(run("tasks", "import", recall, "-o", link), 0)
        self.assertTrue(link.is_symlink())
        self.assertEqual(len(old.read_text().splitlines()), 300)
        self.check(run("tasks", "import", recall, "-o", "/dev/stdout"), 0, old.read_text())


if __name__ == "__main__":
    unittest.main()
