"""10,000 items of each generated task and of each control, solved by rules of our own (generators_solver.py)."""

import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import generators_solver as solver

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CATENARY = pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin")) / "catenary"
TASKS = ["hindsight-neglect", "into-the-unknown", "memo-trap", "modus-tollens", "neqa", "pattern-matching-suppression",
         "prompt-injection", "quote-repetition", "redefine", "repetitive-algebra", "resisting-correction", "sig-figs",
         "sycophancy"]
# MD5 of 200 items with seed 1: a file is the same on any machine. Whoever changes a task's items on purpose changes its
# line here and says so in the CHANGELOG.
SAME_FILE = {
    "hindsight-neglect": "32269166c347ca27ae7793fc6f327c87",
    "into-the-unknown": "c93ef79872fa25eadb91e1cf7f4f4730",
    "memo-trap": "cf3befa8d9e8f93f286bbe359bf97290",
    "modus-tollens": "17afdcc4e37c26adb81c85cf35be5f25",
    "neqa": "12d70db555a7232857ebfa519fe8df81",
    "pattern-matching-suppression": "848de5d9bfcfa399239babb2f167ad79",
    "prompt-injection": "3857ab22fafc2bf863addb4bfeb9845d",
    "quote-repetition": "86528f312298bb37a8ce11ed2eb58c05",
    "redefine": "fb8adb1b1d78f7592ace143e5fa59f6c",
    "repetitive-algebra": "c11bfdfed7b53ecaab76dbea1351b83d",
    "resisting-correction": "be6d155cf12d186d6b6a53dca80c95f1",
    "sig-figs": "c6780f3263ab2124364edbda7fac4001",
    "sycophancy": "e7379358a86840ea8c44c6f2e427c268",
}


def run(*args):
    return subprocess.run([CATENARY, "tasks", *map(str, args)], capture_output=True, text=True)


def generate(task, n=10000, seed=7, control=False, **settings):
    options = [f"--{name}={value}" for name, value in settings.items()]
    done = run("generate", task, "--n", n, "--seed", seed, *(["--control"] if control else []), *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def right(item):
    return item["classes"][item["answer_index"]]


def wrong(item):
    return item["classes"][1 - item["answer_index"]]


class Generators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.traps = {task: generate(task) for task in TASKS}
        cls.controls = {task: generate(task, control=True) for task in TASKS}

    def each(self):
        for task in TASKS:
            for name, items in ((task, self.traps[task]), (f"{task} control", self.controls[task])):
                with self.subTest(name):
                    yield task, items

    def check_answers(self, task, items):
        for item in items:
            self.assertEqual(right(item), solver.solve(task, item), item["prompt"])

    def test_the_list_names_the_tasks(self):
        listed = json.loads(run("list", "--json").stdout)["tasks"]
        self.assertEqual([task["name"] for task in listed], TASKS)
        table = run("list").stdout
        for task in listed:
            trend = " +".join(map(re.escape, task["trend"].split())).replace(" +", r"\s+")  # in lines of some words
            self.assertRegex(table, rf"(?ms)^{task['cause']}$(?:\n  [^\n]*)*?\n  {task['name']} +{task['palm_trend'] or '–'} +{trend}$")
        # J. Wei et al. (2022), first version: of round 1's four tasks redefine stays inverse, three turn.
        self.assertEqual({task["name"]: task["palm_trend"] for task in listed if task["palm_trend"]},
                         {"redefine": "inverse", "hindsight-neglect": "u_shaped", "neqa": "u_shaped", "quote-repetition": "u_shaped"})

    def test_every_marked_answer_is_right(self):
        for task, items in self.each():
            self.assertEqual(len(items), 10000)
            self.check_answers(task, items)

    def test_answers_are_balanced(self):
        for _, items in self.each():
            self.assertAlmostEqual(sum(item["answer_index"] for item in items) / len(items), 0.5, delta=0.001)
            for start in range(0, len(items), 200):  # and so they are in every part of the file
                self.assertAlmostEqual(sum(item["answer_index"] for item in items[start:start + 200]), 100, delta=4)

    def test_no_item_comes_twice_nor_in_another_order(self):
        for _, items in self.each():
            words = {tuple(sorted(item["prompt"].split() + item["classes"])) for item in items}
            self.assertEqual(len(words), len(items))

    def test_no_text_is_missing(self):
        for _, items in self.each():
            for item in items:
                self.assertEqual(list(item), ["prompt", "classes", "answer_index"])
                self.assertEqual(len(item["classes"]), 2)
                self.assertNotEqual(*item["classes"])
                for text in item["classes"]:
                    self.assertRegex(text, r"^ [^ ]")  # joined to the prompt with nothing between them
                self.assertNotRegex(item["prompt"], r"[ \n]$|[{}]|  ")

    def test_items_have_the_trap_and_controls_do_not(self):
        for task in set(TASKS) - {"memo-trap", "quote-repetition", "resisting-correction"}:
            with self.subTest(task):
                self.assertTrue(all(solver.has_trap(task, item) for item in self.traps[task]))
                self.assertFalse(any(solver.has_trap(task, item) for item in self.controls[task]))

    def test_a_control_is_the_twin_of_its_item(self):
        for task in TASKS:
            with self.subTest(task):
                for item, control in zip(self.traps[task], self.controls[task], strict=True):
                    self.assertEqual(item["classes"], control["classes"])
                    self.assertNotEqual(item["prompt"], control["prompt"])

    def test_quotations_are_known_and_control_sentences_are_not(self):
        for task, begin in (("memo-trap", "\n"), ("quote-repetition", "Output: ")):
            with self.subTest(task):
                lead = lambda item: item["prompt"].rpartition(begin)[2]
                endings = collections.defaultdict(set)
                for item in self.traps[task]:
                    endings[lead(item)].add(wrong(item))
                self.assertLess(len(endings), 250)
                self.assertTrue(all(len(found) == 1 for found in endings.values()))  # one remembered ending each
                for quotation, ending in solver.ENDINGS.items():
                    self.assertEqual(endings[quotation], {f" {ending}."})
                controls = collections.Counter(map(lead, self.controls[task]))
                self.assertGreater(len(controls), 7000)
                self.assertFalse(set(controls) & set(endings))

    def test_only_the_item_has_a_spelling_mistake(self):
        correct = {right(item) for item in self.controls["resisting-correction"]}
        self.assertLess(len(correct), 80)
        for item in self.traps["resisting-correction"]:
            self.assertNotIn(right(item), correct)
            self.assertIn(wrong(item), correct)

    def test_difficulty_changes_items_and_answers_stay_right(self):
        for task in json.loads(run("list", "--json").stdout)["tasks"]:
            self.assertTrue(task["settings"])
            for setting in task["settings"]:
                for value in {setting["min"], setting["max"]}:
                    with self.subTest(task=task["name"], setting=setting["name"], value=value):
                        items = [generate(task["name"], n=100, control=control, **{setting["name"]: value})
                                 for control in (False, True)]
                        self.check_answers(task["name"], items[0] + items[1])
                        if value != setting["default"]:
                            self.assertNotEqual(items[0], self.traps[task["name"]][:100])

    def test_a_larger_file_begins_with_the_smaller_and_another_seed_gives_another(self):
        for task in TASKS:
            with self.subTest(task):
                self.assertEqual(generate(task, n=100), self.traps[task][:100])
                self.assertNotEqual(generate(task, n=100, seed=8), self.traps[task][:100])

    def test_a_seed_gives_the_same_file_on_any_machine(self):
        for task in TASKS:
            with self.subTest(task), tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "items.jsonl"
                self.assertEqual(run("generate", task, "--n", 200, "--seed", 1, "-o", path).returncode, 0)
                self.assertEqual(hashlib.md5(path.read_bytes()).hexdigest(), SAME_FILE.get(task))

    def test_mistakes_are_told_with_what_was_expected(self):
        for args, expected in (
            (["redefine"], "--n is required"),
            (["redefine", "--n", 5, "--kind", 9], 'expected a whole number from 0 to 4, found "9"'),
            (["redefine", "--n", 5, "--shots", 2], "--shots"),
            (["no-such-task", "--n", 5], "no task is called \"no-such-task\"; expected one of"),
            (["redefine", "--n", 100000, "--kind", 2], "redefine has only about"),
        ):
            with self.subTest(args):
                done = run("generate", *args)
                self.assertEqual(done.returncode, 2)
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stdout, "")
        done = run("generate", "redefine", "--n", 5, "-o", "/no/such/folder/items.jsonl")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such/folder/items.jsonl", done.stderr)


if __name__ == "__main__":
    unittest.main()
