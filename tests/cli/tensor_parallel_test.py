"""Sweeps in which some models are held by several ranks together."""

import json
import unittest

import h5py
import numpy

from harness import DEMO, MODELS, REFERENCE, SweepTestCase, run

FLOAT64 = json.loads((REFERENCE / "float64/log_likelihoods.json").read_text())
TOGETHER = {"demo-360k": 4, "demo-1685k": 2}


def rms(x):
    return numpy.sqrt(numpy.mean(numpy.square(x)))


class TensorParallelTest(SweepTestCase):
    def ladder(self, sizes):
        """The demo ladder, some of its models with a "tensor_parallel"."""
        return [{"folder": str(DEMO / "models"), "tensor_parallel": sizes}]

    def scores(self, store):
        """By model: log-likelihoods of all units, then texts that it wrote."""
        with h5py.File(store) as file:
            names = [name.decode() for name in file["models/name"]]
            units = file["units"]
            all_scores = file["scores/log_likelihood"][:]
            scores = {name: [] for name in names}
            for model, begin, count in zip(units["model_index"], units["class_begin"], units["num_classes"]):
                scores[names[model]].append(all_scores[begin : begin + count])
            sizes = dict(zip(names, file["models/tensor_parallel_size"][:].tolist()))
            return {name: numpy.concatenate(parts) for name, parts in scores.items()}, sizes

    def test_a_sweep_with_models_on_four_and_two_ranks_has_the_values_of_one_rank(self):
        tasks = [{"name": t, "path": str(DEMO / "tasks" / f"{t}.jsonl"), "limit": 150} for t in ("negation", "recall")]
        conditions = [{"name": "zero_shot", "kind": "zero_shot"},
                      {"name": "few_shot_3", "kind": "few_shot", "k": 3, "exemplars": "in_order", "separator": "\n"}]
        alone = self.spec("alone.json", models=self.ladder({}), tasks=tasks, conditions=conditions)
        together = self.spec("together.json", models=self.ladder(TOGETHER), tasks=tasks, conditions=conditions)
        self.check(run("run", alone, "-o", self.folder / "alone.h5", "--threads", 1), 0)
        for name in ("a", "b"):
            self.check(run("run", together, "-o", self.folder / f"{name}.h5", "--threads", 1, ranks=4), 0)
        self.assert_same_scores(self.folder / "a.h5", self.folder / "b.h5")
        expected, sizes = self.scores(self.folder / "alone.h5")
        self.assertEqual(set(sizes.values()), {1})
        actual, sizes = self.scores(self.folder / "a.h5")
        self.assertEqual({name: size for name, size in sizes.items() if size > 1}, TOGETHER)
        for name in MODELS:
            self.assertTrue(numpy.isfinite(expected[name]).all())
            if name not in TOGETHER:
                numpy.testing.assert_array_equal(actual[name], expected[name])
                continue
            # How far float32 is from float64, on one rank and on several; and those from each other.
            exact = numpy.concatenate(list(FLOAT64[name].values()))
            off_alone, off_together = expected[name] - exact, actual[name] - exact
            difference = numpy.abs(actual[name] - expected[name])
            print(f"{name}, {len(exact)} log-likelihoods: {numpy.abs(off_alone).max():.1e} nats from float64 on one rank, "
                  f"{numpy.abs(off_together).max():.1e} on {TOGETHER[name]}, root mean squares {rms(off_alone):.1e} and "
                  f"{rms(off_together):.1e}; {difference.max():.1e} from each other, {(difference > 1e-5).sum()} above 1e-5")
            self.assertLess(numpy.abs(off_alone).max(), 2e-5)
            self.assertLess(numpy.abs(off_together).max(), 2e-5)
            self.assertLess(rms(off_together), 1.1 * rms(off_alone))
            self.assertLess((difference > 1e-5).mean(), 0.005)

    def test_what_models_write_is_what_they_write_on_one_rank(self):
        conditions = [{"name": "cot", "kind": "cot", "generation": {"max_new_tokens": 12, "temperature": 1, "seed": 3}}]
        tasks = [{"name": "recall", "path": str(DEMO / "tasks/recall.jsonl"), "limit": 70}]
        model = {"name": "m", "path": str(DEMO / "models/demo-360k")}
        texts = []
        for name, size in (("alone", 1), ("together", 4)):
            spec = self.spec(f"{name}.json", models=[{**model, "tensor_parallel": size}], tasks=tasks, conditions=conditions)
            store = self.folder / f"{name}.h5"
            self.check(run("run", spec, "-o", store, "--threads", 1, ranks=size), 0)
            with h5py.File(store) as file:
                texts.append(file["text_bytes"][:].tobytes())
        self.assertEqual(texts[0], texts[1])
        self.assertGreater(len(texts[0].strip(b"\0")), 70)

    def test_a_failed_range_is_recorded_and_its_group_goes_on(self):
        """One that fails before the model computes, and one while it writes."""
        model = {"name": "m", "path": str(DEMO / "models/demo-360k"), "tensor_parallel": 2}
        item = json.dumps({"prompt": " ".join(["the"] * 9000), "classes": [" bread", " bell"], "answer_index": 0})
        good = (DEMO / "tasks/recall.jsonl").read_text().splitlines()
        task = self.write("long.jsonl", "\n".join([item, *good[:130]]) + "\n")
        conditions = [{"name": "zero_shot", "kind": "zero_shot"},
                      {"name": "cot", "kind": "cot", "generation": {"max_new_tokens": 2}}]
        spec = self.spec(models=[model], tasks=[{"name": "long", "path": str(task)}], conditions=conditions)
        store = self.folder / "store.h5"
        result = run("run", spec, "-o", store, "--threads", 1, ranks=2)
        self.check(result, 3, "m x long x zero_shot failed: item 0: ", "m x long x cot failed: item 0: ")
        with h5py.File(store) as file:
            self.assertEqual(file["ranges/state"][:].tolist(), [2, 1, 1, 2, 1, 1])
            self.assertEqual(numpy.isfinite(file["scores/log_likelihood"][:]).sum(), 2 * 2 * (131 - 64))

    def test_a_size_that_cannot_be_is_refused_before_anything_runs(self):
        store = self.folder / "store.h5"
        spec = self.spec("three.json", models=self.ladder({"demo-83k": 3}))
        self.check(run("run", spec, "-o", store), 2, "/models/0/tensor_parallel/demo-83k: expected a power of two, found 3")
        spec = self.spec("heads.json", models=self.ladder({"demo-83k": 2}))
        self.check(run("plan", spec), 2, "heads.json: /models/0/tensor_parallel: demo-83k cannot be split among 2 ranks: num_heads is 3")
        spec = self.spec("ranks.json", models=self.ladder(TOGETHER))
        self.check(run("run", spec, "-o", store, ranks=2), 2, "demo-360k", "is 4, and there are 2; start more")
        self.assertFalse(store.exists())

    def test_a_store_keeps_its_sizes(self):
        store = self.folder / "store.h5"
        model = {"name": "m", "path": str(DEMO / "models/demo-360k")}
        self.check(run("run", self.spec(models=[model]), "-o", store, "--threads", 1), 0)
        spec = self.spec(models=[{**model, "tensor_parallel": 2}])
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 2, "tensor_parallel_size: '1' in", "'2' in")

    def test_a_spec_that_leaves_the_size_open_goes_on_with_the_store_s(self):
        store = self.folder / "store.h5"
        tasks = [{"name": t, "path": str(DEMO / "tasks" / f"{t}.jsonl"), "limit": 20} for t in ("negation", "recall", "category")]
        model = {"name": "m", "path": str(DEMO / "models/demo-360k")}
        forced = self.spec("forced.json", models=[{**model, "tensor_parallel": 2}], tasks=tasks[:1])
        self.check(run("run", forced, "-o", store, "--threads", 1, ranks=2), 0)
        open_size = self.spec("open.json", models=[model], tasks=tasks[:2])
        self.check(run("run", open_size, "-o", store, "--threads", 1, ranks=2), 0, "2 of 4 item ranges to do")
        self.assertEqual(self.scores(store)[1], {"m": 2})
        one_more = self.spec("one_more.json", models=[model], tasks=tasks)
        self.check(run("run", one_more, "-o", store, "--threads", 1), 2, "model m: 2 ranks hold it together in",
                   "store.h5, and there is 1; start more with mpirun or srun, or take another -o")

    def test_score_has_the_ranks_hold_the_model_together(self):
        model, task = DEMO / "models/demo-360k", DEMO / "tasks/recall.jsonl"
        alone = run("score", model, task, "--threads", 1, "--limit", 100)
        self.check(alone, 0)
        expected = [json.loads(line) for line in alone.out.splitlines()]
        for ranks in (2, 4):
            together = run("score", model, task, "--threads", 1, "--limit", 100, ranks=ranks)
            self.check(together, 0, "100 items, classification")
            self.assertEqual(together.err.count("100 items"), 1)
            actual = [json.loads(line) for line in together.out.splitlines()]
            self.assertEqual([line["greedy"] for line in actual], [line["greedy"] for line in expected])
            numpy.testing.assert_allclose([line["class_logprobs"] for line in actual],
                                          [line["class_logprobs"] for line in expected], rtol=0, atol=2e-5)
            self.assertNotEqual(together.out, alone.out)  # sums over ranks have other last bits
        refused = run("score", DEMO / "models/demo-83k", task, ranks=2)
        self.check(refused, 2, "the model cannot run on 2 ranks together: num_heads is 3, which 2 does not divide")
        self.assertEqual(refused.err.count("cannot run"), 1)
        self.check(run("score", model, self.folder / "none.jsonl", ranks=2), 2, "none.jsonl")

    def test_plan_shows_the_sizes(self):
        spec = self.spec(models=self.ladder(TOGETHER))
        self.check(run("plan", spec), 0, "demo-360k, context of 8192 tokens, 4 ranks together")
        plan = json.loads(run("plan", spec, "--json", "--simulate", "nodes=2,gpus=4,gpu=h100").out)
        sizes = {unit["model"]: unit["tensor_parallel_size"] for unit in plan["units"]}
        self.assertEqual({name: size for name, size in sizes.items() if size}, TOGETHER)
        simulated = {model["model"]: model["tensor_parallel_size"] for model in plan["simulation"]["models"]}
        self.assertEqual({name: size for name, size in simulated.items() if size > 1}, TOGETHER)


if __name__ == "__main__":
    unittest.main()
