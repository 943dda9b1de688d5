"""`catenary fit` and `catenary compare` on tables, as a user runs them. CATENARY_BIN names the folder of the programs."""

import csv
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

CATENARY = pathlib.Path(os.environ["CATENARY_BIN"]) / "catenary"
SIZES = [1e7, 1e8, 1e9, 1e10, 1e11, 1e12]


def run(*args):
    return subprocess.run([str(CATENARY), *map(str, args)], capture_output=True, text=True, timeout=300)


def long_table(path, accuracies, num_items=500, seed=1):
    """`accuracies` by (task, condition, family): one number a size. Item i is right where its difficulty is low enough, so models
    agree on which items are hard."""
    rng = random.Random(seed)
    rows = ["task,condition,family,model,num_parameters,item,correct"]
    difficulty = [rng.random() for _ in range(num_items)]
    for (task, condition, family), levels in accuracies.items():
        for size, level in zip(SIZES, levels):
            for item, hard in enumerate(difficulty):
                shown = hard if rng.random() < 0.5 else rng.random()
                rows.append(f"{task},{condition},{family},{family}-{size:.0e},{size},{item},{int(shown < level)}")
    path.write_text("\n".join(rows) + "\n")
    return path


U = [0.6, 0.45, 0.35, 0.35, 0.45, 0.6]
RISE = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


class Fit(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def fit(self, *args):
        result = run("fit", *args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_of_four_files_all_are_written_or_none(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE})
        out = self.folder / "out"
        (out / "fit.json.partial").mkdir(parents=True)  # stands for a disk that is full by then
        (out / "points.csv").write_text("older")
        result = run("fit", table, "-o", out)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("fit.json: cannot be written", result.stderr)
        self.assertEqual(sorted(path.name for path in out.iterdir()), ["fit.json.partial", "points.csv"])
        self.assertEqual((out / "points.csv").read_text(), "older")

    def test_a_u_is_found_where_it_turns_and_files_say_what_the_terminal_says(self):
        table = long_table(self.folder / "t.csv", {("dip", "zero", "f"): U, ("up", "zero", "f"): RISE})
        result = self.fit(table, "-o", self.folder / "out", "--hold-out", 1, "--forecast", 1e13)
        dip, up = result["curves"]
        self.assertEqual((dip["verdict"], up["verdict"]), ("u_shaped", "positive"))
        turn = dip["turning_point"]
        self.assertLess(turn["low"], 10 ** 9.5)  # the truth is symmetric about it
        self.assertGreater(turn["high"], 10 ** 9.5)
        self.assertIsNone(up["turning_point"])
        effect = up["smallest_to_largest"]["difference"]
        self.assertLess(effect["low"], 0.5)
        self.assertGreater(effect["high"], 0.5)
        self.assertEqual(up["num_shared_items"], 500)
        self.assertLess(up["p_value"], up["p_holm"])
        self.assertEqual([held["model"] for held in up["held_out"]], ["f-1e+12"])
        self.assertAlmostEqual(up["held_out"][0]["error"], 0, delta=0.1)
        self.assertEqual(up["forecasts"][0]["scale"], 1e13)
        self.assertEqual(result, json.loads((self.folder / "out" / "fit.json").read_text()))
        rows = list(csv.DictReader((self.folder / "out" / "fit.csv").read_text().splitlines()))
        self.assertEqual([row["verdict"] for row in rows], ["u_shaped", "positive"])
        self.assertAlmostEqual(float(rows[0]["turning_point"]), turn["value"], places=3)
        self.assertIn("dip & zero & f & accuracy", (self.folder / "out" / "fit.tex").read_text())
        shown = run("fit", table)
        self.assertIn("u_shaped", shown.stdout)
        self.assertIn("dip zero: turns at ", shown.stdout)
        # points.csv is a summary table: the same points, without the items.
        again = self.fit(self.folder / "out" / "points.csv")["curves"]
        self.assertEqual([curve["verdict"] for curve in again], ["u_shaped", "positive"])
        self.assertEqual([p["value"] for p in again[1]["points"]], [p["value"] for p in up["points"]])

    def test_a_table_has_the_decimals_of_its_errors(self):
        path = self.folder / "s.csv"
        rows = ["task,condition,model,num_parameters,metric,value,standard_error,n"]
        rows += [f"t,{condition},m{i},{size},loss,{0.69315 + 0.0001 * i - shift},{error},2500"
                 for condition, shift, error in (("fine", 0, 0.0004), ("usual", 0, 0.0046), ("coarse", 0.0002, 0.3))
                 for i, size in enumerate(SIZES)]
        path.write_text("\n".join(rows) + "\n")
        shown = run("fit", path).stdout
        self.assertIn("0.6931±0.0004  ", shown.replace("0.6932±", "0.6931±"))
        self.assertIn("0.69±0.01  ", shown)  # two decimals, and no error of 0.00
        self.assertIn("0.69±0.30  ", shown)
        self.assertIn("inconclusive: ", shown)  # a long reason
        self.assertLessEqual(max(len(line) for line in shown.splitlines() if line.startswith("  ")), 80)
        self.assertNotIn("-0.00 ", shown)
        self.assertNotIn("inf", shown)

    def test_same_seed_same_numbers(self):
        table = long_table(self.folder / "t.csv", {("dip", "zero", "f"): U})
        self.assertEqual(self.fit(table, "--seed", 5), self.fit(table, "--seed", 5))
        self.assertNotEqual(self.fit(table, "--seed", 5), self.fit(table, "--seed", 6))

    def test_conditions_families_and_tasks_are_compared(self):
        better = [x + 0.1 for x in RISE]
        table = long_table(self.folder / "t.csv", {("up", "zero", "base"): RISE, ("up", "cot", "base"): better,
                                                   ("up", "zero", "instruct"): better, ("twin", "zero", "base"): better})
        by_condition, = self.fit(table)["comparisons"]
        self.assertEqual(by_condition["condition"], "cot - zero")
        self.assertAlmostEqual(by_condition["mean"]["value"], 0.1, delta=0.03)
        self.assertLess(by_condition["p_mean"], 0.001)
        self.assertEqual(len(by_condition["points"]), 6)
        by_family, = self.fit(table, "--compare", "family:instruct,base")["comparisons"]
        self.assertEqual(by_family["family"], "instruct - base")
        self.assertAlmostEqual(by_family["mean"]["value"], 0.1, delta=0.03)
        by_task, = self.fit(table, "--compare", "task:up,twin")["comparisons"]
        self.assertAlmostEqual(by_task["mean"]["value"], -0.1, delta=0.03)
        pooled = [curve for curve in self.fit(table)["curves"] if curve["family"] == "pooled"]
        self.assertEqual([curve["verdict"] for curve in pooled], ["positive"])

    def test_names_with_commas_are_compared(self):
        table = long_table(self.folder / "t.csv", {("up", '"a, b"', "f"): RISE, ("up", '"c, d"', "f"): RISE})
        found, = self.fit(table, "--compare", "condition:c, d,a, b")["comparisons"]
        self.assertEqual(found["condition"], "c, d - a, b")

    def test_a_metric_has_a_direction(self):
        path = self.folder / "s.csv"
        rows = ["task,model,num_parameters,metric,value,standard_error,n"]
        rows += [f"crows,m{i},{size},{metric},{0.5 + 0.03 * i},0.01,2500"
                 for metric in ("pct_stereotype", "mystery") for i, size in enumerate(SIZES)]
        path.write_text("\n".join(rows) + "\n")
        verdicts = {c["metric"]: c["verdict"] for c in self.fit(path)["curves"]}
        self.assertEqual(verdicts, {"pct_stereotype": "inverse", "mystery": "positive"})
        turned = {c["metric"]: c["verdict"] for c in self.fit(path, "--lower-is-better", "mystery")["curves"]}
        self.assertEqual(turned["mystery"], "inverse")
        self.assertIn("higher mystery is taken as better", run("fit", path).stdout)

    def test_mistakes_end_with_2_and_a_message(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE}, num_items=10)
        for args, message in (((table, "--metric", "bleu"), "the source has accuracy"),
                              ((table, "--compare", "model:a,b"), "expected condition:A,B"),
                              ((table, "--compare", "task:a,b"), "--compare task:a,b: expected task:A,B, two of up"),
                              ((table, "--compare", "condition:zero,zero"), "compares a condition with itself"),
                              ((table, "--lower-is-better", "nope"), "--lower-is-better nope: the source has accuracy"),
                              ((table, "--models", table), "--models: is for a folder"),
                              ((self.folder,), "needs --models"),
                              ((self.folder / "none.csv",), "none.csv")):
            result = run("fit", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(message, result.stderr + result.stdout)
        (self.folder / "head.csv").write_text("task,model,num_parameters,item,loss\n")
        self.assertEqual(run("fit", self.folder / "head.csv").returncode, 2)
        self.assertIn("no results", run("fit", self.folder / "head.csv").stderr)
        (self.folder / "bad.csv").write_text("task,model,num_parameters,item,loss\nt,m,1e6,0,x\nt,m,1e6,1,y\n")
        result = run("fit", self.folder / "bad.csv")
        self.assertEqual(result.returncode, 2)
        self.assertIn("line 2, column loss", result.stderr)
        self.assertIn("line 3, column loss", result.stderr)

    def test_a_hold_out_that_cannot_be_is_told(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE}, num_items=10)
        self.assertEqual(self.fit(table, "--hold-out", 1)["problems"], [])
        problem, = self.fit(table, "--hold-out", 2)["problems"]
        self.assertIn("--hold-out 2 leaves fewer than five of 6 points", problem)

    def test_two_sizes_are_inconclusive(self):
        curve, = self.fit(long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE[:2]}))["curves"]
        self.assertEqual(curve["verdict"], "inconclusive")
        self.assertIn("3 distinct scales", curve["reason"])
        self.assertEqual(len(curve["points"]), 2)

    def test_compare_ends_with_3_on_a_regression(self):
        old = long_table(self.folder / "old.csv", {("up", "zero", "f"): RISE}, seed=1)
        worse = long_table(self.folder / "new.csv", {("up", "zero", "f"): RISE[:5] + [0.6]}, seed=1)
        same = run("compare", old, old)
        self.assertEqual(same.returncode, 0, same.stderr)
        self.assertIn("6 compared, 6 of them without any change; 0 regressions", same.stdout)
        result = run("compare", old, worse)
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        self.assertIn("REGRESSION", result.stdout)
        self.assertEqual(run("compare", old, worse, "--threshold", "0.5").returncode, 0)
        self.assertEqual(run("compare", worse, old).returncode, 0)
        changes = json.loads(run("compare", old, worse, "--json").stdout)["changes"]
        self.assertEqual([change["is_regression"] for change in changes], [False] * 5 + [True])

    def test_compare_is_no_gate_that_opens_when_new_broke(self):
        head = "task,model,num_parameters,item,loss,correct\n"

        def table(name, task, loss, models="m"):
            rows = "".join(f"{task},{m},1e6,{i},{loss},{i % 2}\n" for m in models for i in range(20))
            (self.folder / name).write_text(head + rows)
            return self.folder / name

        old = table("old.csv", "t", 0.5, "mk")
        nothing = run("compare", old, table("other.csv", "u", 0.5))
        self.assertEqual(nothing.returncode, 2, nothing.stdout)
        self.assertIn("nothing to compare", nothing.stderr)
        nan = table("nan.csv", "t", "nan", "mk")
        result = run("compare", old, nan, "--json")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual([(lost["model"], lost["metric"], lost["reason"]) for lost in json.loads(result.stdout)["lost"]],
                         [(m, "loss", "20 items without a finite number") for m in "mk"])
        gone = run("compare", old, table("gone.csv", "t", 0.5, "m"))
        self.assertEqual(gone.returncode, 3, gone.stderr)
        self.assertIn("LOST t all k loss: ", gone.stdout)
        self.assertIn("0 regressions, 2 lost", gone.stdout)
        lines = old.read_text().splitlines(keepends=True)
        part = self.folder / "part.csv"
        part.write_text("".join(lines[:-3]))
        fewer = run("compare", old, part)
        self.assertEqual(fewer.returncode, 3, fewer.stderr)
        self.assertIn("LOST t all k loss: 3 of its 20 items", fewer.stdout)
        self.assertEqual(run("compare", part, old).returncode, 0)
        self.assertEqual(run("compare", nan, old).returncode, 0)  # what is new cannot be worse

    def test_options_are_finite_numbers(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE}, num_items=10)
        for text in ("nan", "inf", "-1", "1x", "1e999"):
            for args, expected in ((("compare", table, table, "--threshold", text), "a number of at least 0"),
                                   (("compare", table, table, "--level", text), "a number from 1e-12 to 0.5"),
                                   (("fit", table, "--forecast", f"1e13,{text}"), "a number above 0"),
                                   (("fit", table, "--chance", text), "a number from 0 to 0.99")):
                result = run(*args[:-1], f"{args[-1]}")
                self.assertEqual(result.returncode, 2, args)
                self.assertIn(f'expected {expected}, found "{text}"', result.stderr)

    def test_text_that_is_not_utf8_is_refused_with_its_line(self):
        table = self.folder / "latin.csv"
        table.write_bytes("task,model,num_parameters,metric,value,standard_error\nt,a,1e6,m,1,1\nt,é,1e7,m,1,1\n".encode("latin-1"))
        for args in (("fit", table), ("fit", table, "--json"), ("compare", table, table)):
            result = run(*args)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("latin.csv: line 3, column model: expected UTF-8", result.stderr)

    def test_json_is_utf8_whatever_a_file_is_called(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE}, num_items=10)
        odd = table.rename(os.fsdecode(os.fsencode(self.folder) + b"/caf\xe9.csv"))
        self.assertEqual(self.fit(odd)["sweep"], "caf\ufffd")

    def test_what_a_source_is_does_not_depend_on_its_name_alone(self):
        table = long_table(self.folder / "t.csv", {("up", "zero", "f"): RISE}, num_items=10)
        upper = self.folder / "T.CSV"
        upper.write_text(table.read_text())
        self.assertEqual(self.fit(upper)["curves"], self.fit(table)["curves"])
        for name in ("a.tsv", "a.txt", "results.json", "a.h5"):
            (self.folder / name).write_text("task\tmodel\n")
            result = run("fit", self.folder / name)
            self.assertEqual(result.returncode, 2, name)
            self.assertIn(f"{name}: expected a store (.h5), a table (.csv) or a folder", result.stderr)
        for args in (("fit", self.folder / "missing.csv"), ("fit", self.folder / "missing.h5"),
                     ("fit", self.folder, "--models", self.folder / "missing.csv")):
            result = run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stderr.count(str(args[-1])), 1, result.stderr)
            self.assertIn("o such file", result.stderr)


if __name__ == "__main__":
    unittest.main()
