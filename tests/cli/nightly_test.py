"""`catenary nightly` outside Slurm: what it keeps, and how it goes on."""

import json
import os
import shutil
import time
import unittest

import harness

SMALL, LARGE = harness.smallest_models(5)[::4]


class NightlyTest(harness.SweepTestCase):
    def setUp(self):
        super().setUp()
        self.nights = self.folder / "nights"
        self.model = self.folder / "model"
        recall = [{"name": "recall", "path": str(harness.DEMO / "tasks" / "recall.jsonl")}]
        self.sweep = self.spec(models=[{"name": "m", "path": str(self.model)}], tasks=recall,
                               conditions=[{"name": "zero_shot", "kind": "zero_shot"}])

    def train(self, name):
        shutil.rmtree(self.model, ignore_errors=True)
        shutil.copytree(harness.DEMO / "models" / name, self.model)

    def night(self, code, *args):
        """The folder of one more night."""
        time.sleep(1.1)  # its name has its second
        result = harness.run("nightly", self.sweep, "-o", self.nights, *args, "--", "--threads", "1")
        self.assertEqual(result.code, code, result.err)
        return max(self.nights.iterdir())

    def test_the_last_nights_and_the_last_good_one_are_kept(self):
        (self.folder / "nights").mkdir()
        (self.nights / "0-not-a-night").mkdir()
        self.train(LARGE)
        first = self.night(0)
        good = self.night(0)
        self.train(SMALL)
        bad = [self.night(3, "--keep", "2") for _ in range(3)]
        self.assertFalse(first.exists())
        self.assertEqual(sorted(self.nights.iterdir()), [self.nights / "0-not-a-night", good, *bad[-2:]])
        self.assertEqual(json.loads((bad[-1] / "summary.json").read_text())["compared_with"], good.name)
        self.assertIn("REGRESSION", (bad[-1] / "summary.txt").read_text())

    def test_a_sweep_that_cannot_run_is_a_bad_night_and_does_not_stand_in_the_way(self):
        night = self.night(2)  # there is no model yet
        self.assertEqual(json.loads((night / "summary.json").read_text()), {"night": night.name, "exit_code": 2})
        self.train(SMALL)
        self.assertNotEqual(self.night(0), night)

    def test_new_checkpoints_of_a_folder_are_taken_in_and_the_page_shows_the_items(self):
        spec = json.loads(self.sweep.read_text()) | {"models": [{"folder": "checkpoints", "family": "run"}]}
        self.sweep.write_text(json.dumps(spec))
        prompt = json.loads((harness.DEMO / "tasks" / "recall.jsonl").read_text().splitlines()[0])["prompt"]
        for i, name in enumerate((SMALL, LARGE)):
            shutil.copytree(harness.DEMO / "models" / name, self.folder / "checkpoints" / f"step-{i}")
            page = (self.night(0) / "report.html").read_text()
            self.assertIn(json.dumps(prompt)[1:-1], page)
            self.assertEqual([f"step-{k}" in page for k in range(2)], [True, i == 1])

    def test_a_folder_that_cannot_be_made_is_told(self):
        result = harness.run("nightly", self.sweep, "-o", self.sweep / "nights")
        self.check(result, 1, "catenary: error: ", "sweep.json/nights: the folder cannot be made: Not a directory")

    def test_a_night_that_was_stopped_is_gone_on_with(self):
        self.train(SMALL)
        night = self.night(0)
        os.unlink(night / "summary.json")  # as a night that was killed before its end
        self.assertEqual(self.night(0), night)
        self.assertTrue((night / "summary.json").exists())


if __name__ == "__main__":
    unittest.main()
