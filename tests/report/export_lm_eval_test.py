"""`catenary export --format lm-eval`: files that lm-evaluation-harness and `catenary fit` read."""

import json
import math
import pathlib
import tempfile
import unittest

from study import BIN, plain_items, run, write_study

try:
    from lm_eval import utils as lm_eval
except ModuleNotFoundError:
    lm_eval = None


class LmEval(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        cls.store = write_study(folder, plain_items(100), tasks=("one", "two_b"), conditions=("plain", "two"))
        cls.out = folder / "out"
        run(BIN / "catenary", "export", cls.store, "--format", "lm-eval", "-o", cls.out)

    def results(self, condition, model):
        (path,) = (self.out / condition / model).glob("results_*.json")
        return json.loads(path.read_text())

    def samples(self, condition, model, task):
        (path,) = (self.out / condition / model).glob(f"samples_{task}_*.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_results_are_the_means_of_samples_and_samples_follow_from_their_log_likelihoods(self):
        for condition in ("plain", "two"):
            for task in ("one", "two_b"):
                samples = self.samples(condition, "a-2", task)
                self.assertEqual([sample["doc"] for sample in samples], plain_items(100))
                accuracies, normalised, losses = [], [], []
                for sample in samples:
                    values = [float(value) for value, _ in sample["filtered_resps"]]
                    target = int(sample["target"])
                    accuracies.append(float(values.index(max(values)) == target))
                    per_byte = [value / len(text.strip()) for value, text in zip(values, sample["doc"]["classes"])]
                    normalised.append(float(per_byte.index(max(per_byte)) == target))
                    losses.append(math.log(sum(math.exp(value) for value in values)) - values[target])
                results = self.results(condition, "a-2")["results"][task]
                for name, expected in (("acc", accuracies), ("acc_norm", normalised), ("loss", losses)):
                    for sample, value in zip(samples, expected, strict=True):
                        self.assertAlmostEqual(sample[name], value, places=12)
                    mean = sum(expected) / 100
                    error = math.sqrt(sum((value - mean) ** 2 for value in expected) / 99 / 100)
                    self.assertAlmostEqual(results[f"{name},none"], mean, places=12)
                    self.assertAlmostEqual(results[f"{name}_stderr,none"], error, places=12)

    def test_a_sample_shows_what_the_model_was_given(self):
        first = self.samples("two", "a-0", "one")[0]["arguments"]
        context = first["gen_args_0"]["arg_0"]
        self.assertEqual((first["gen_args_0"]["arg_1"], first["gen_args_1"]["arg_1"]), (" this", " that one"))
        self.assertEqual(context.count("which one?"), 3)  # two exemplars and the item
        self.assertTrue(context.endswith("\n\nQuestion 0: which one?"))

    def test_names_that_make_one_file_s_name_stay_apart_and_none_leads_out(self):
        folder = self.out.parent / "names"
        folder.mkdir()
        store = write_study(folder, plain_items(10), tasks=("a:b", "a_b"), conditions=("..", "x:y", "x_y"), families=("f:g",), num_models=3)
        run(BIN / "catenary", "export", store, "--format", "lm-eval", "-o", folder / "out" / "here")
        self.assertEqual([path.name for path in (folder / "out").iterdir()], ["here"])
        self.assertEqual(sorted(path.name for path in (folder / "out" / "here").iterdir()), ["__", "x_y", "x_y_2"])
        written = {}
        for path in (folder / "out" / "here").glob("*/f_g-1/*"):
            self.assertNotIn(path.read_text(), written.values())  # conditions differ in what they show, tasks in their scores
            written[path] = path.read_text()
            if path.name.startswith("results"):
                self.assertEqual(set(json.loads(path.read_text())["results"]), {"a:b", "a_b"})
        self.assertEqual(len(written), 3 * (1 + 2))

    def test_fit_reads_the_same_points_from_the_folder_as_from_the_store(self):
        sizes = self.out.parent / "sizes.csv"
        sizes.write_text("model,num_parameters\n" + "".join(f"a-{i},{1e7 * 4 ** i}\n" for i in range(5)))
        fit = lambda *args: json.loads(run(BIN / "catenary", "fit", *args, "--json"))["curves"]
        points = lambda curves: {(curve["task"], curve["metric"]): [(point["num_parameters"], point["value"], point["n"]) for point in curve["points"]]
                                 for curve in curves}
        for condition in ("plain", "two"):
            exported = points(fit(self.out / condition, "--models", sizes, "--metric", "acc,loss"))
            stored = points(curve for curve in fit(self.store) if curve["condition"] == condition)
            self.assertEqual(len(stored), 4)
            for (task, metric), expected in stored.items():
                for one, other in zip(exported[task, {"accuracy": "acc"}.get(metric, metric)], expected, strict=True):
                    self.assertEqual((one[0], one[2]), (other[0], other[2]))
                    self.assertAlmostEqual(one[1], other[1], places=12)

    @unittest.skipUnless(lm_eval, "this python3 has no lm_eval")
    def test_lm_eval_reads_them_itself(self):
        names = [str(path) for path in (self.out / "two" / "a-1").iterdir()]
        results = json.loads(pathlib.Path(lm_eval.get_latest_filename(lm_eval.get_results_filenames(names))).read_text())
        table = lm_eval.make_table(results)
        self.assertIn(f"|{results['results']['one']['acc,none']:.4f}|", table.replace(" ", ""))
        tasks = {lm_eval.get_file_task_name(pathlib.Path(name).name) for name in lm_eval.get_sample_results_filenames(names)}
        self.assertEqual(tasks, {"one", "two_b"})


if __name__ == "__main__":
    unittest.main()
