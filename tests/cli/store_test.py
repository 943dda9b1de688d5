"""What users do with stores: extend, reuse, merge, export and verify them, on disks that are full, read-only or damaged."""

import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import unittest

try:
    import h5py
except ModuleNotFoundError:
    h5py = None

from harness import DEMO, MODELS, Result, SweepTestCase, run, smallest_models, start

ZERO_SHOT = {"name": "zero_shot", "kind": "zero_shot"}
FEW_SHOT = {"name": "few_shot_3", "kind": "few_shot", "k": 3, "separator": "\n"}


def model(name):
    return {"name": name, "path": str(DEMO / "models" / name)}


def task(name, **more):
    return {"name": name, "path": str(DEMO / "tasks" / f"{name}.jsonl"), **more}


class StoreTest(SweepTestCase):
    def sweep(self, name, *args, code=0, texts=(), **spec):
        """Runs a sweep of the spec into NAME.h5; returns its path."""
        store = self.folder / f"{name}.h5"
        self.check(run("run", self.spec(f"{name}.json", **spec), "-o", store, "--threads", 1, *args), code, *texts)
        return store

    def status(self, store):
        return json.loads(run("status", store, "--json").out)

    def damage(self, store):
        """Changes a bit of the first item's first log-likelihood, in place."""
        line = json.loads(run("export", store, "--format", "jsonl").out.splitlines()[0])
        where = store.read_bytes().index(struct.pack("<d", line["class_logprobs"][0]))
        with open(store, "r+b") as file:
            file.seek(where)
            byte = file.read(1)[0]
            file.seek(where)
            file.write(bytes([byte ^ 1]))

    def test_a_store_that_is_replaced_keeps_its_mode_and_a_sweep_its_threads(self):
        a, b = smallest_models(2)
        small = self.spec("small.json", models=[model(a)], tasks=[task("recall", limit=70)], conditions=[ZERO_SHOT])
        large = self.spec("large.json", models=[model(a), model(b)], tasks=[task("recall", limit=70)], conditions=[ZERO_SHOT])
        store = self.folder / "s.h5"
        self.check(run("run", small, "-o", store, "--threads", 2), 0, "2 threads each")
        store.chmod(0o640)
        self.check(run("run", large, "-o", store, env=os.environ | {"OMP_NUM_THREADS": "1"}), 0, "2 item ranges taken over", "2 threads each")
        self.assertEqual(store.stat().st_mode & 0o777, 0o640)

    def test_what_has_the_name_of_a_store_s_notes_and_is_not_ours_is_left_alone(self):
        spec = self.spec(models=[model(smallest_models(1)[0])], tasks=[task("recall", limit=10)], conditions=[ZERO_SHOT])
        precious = self.write("precious", "0123 precious")
        for i, make in enumerate((lambda path: path.symlink_to(precious), lambda path: path.write_text("12 ab\n34 cd\n"), os.mkfifo)):
            store = self.folder / f"{i}.h5"
            notes = self.folder / f"{i}.h5.running"
            make(notes)
            self.check(run("run", spec, "-o", store, "--threads", 1), 0, "done; next")
            self.assertTrue(notes.is_symlink() or notes.is_fifo() or notes.read_text() == "12 ab\n34 cd\n")
        self.assertEqual(precious.read_text(), "0123 precious")

    @unittest.skipUnless(h5py, "this python3 has no h5py")
    def test_a_link_into_another_file_is_refused_and_nothing_is_written(self):
        spec = self.spec(models=[model(smallest_models(1)[0])], tasks=[task("recall", limit=70)], conditions=[ZERO_SHOT])
        store, other = self.folder / "s.h5", self.folder / "other.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1), 0)
        with h5py.File(store, "r+") as file, h5py.File(other, "w") as elsewhere:
            file.copy("scores", elsewhere)
            del file["scores"]
            file["scores"] = h5py.ExternalLink(other.name, "/scores")
            file["ranges/state"][:] = 0
        before = store.read_bytes(), other.read_bytes()
        for words in (("run", spec, "-o", store, "--threads", 1), ("status", store), ("fit", store)):
            self.check(run(*words), 1, "is a link to another file")
        self.assertEqual((store.read_bytes(), other.read_bytes()), before)

    @unittest.skipUnless(h5py, "this python3 has no h5py")
    def test_a_damaged_row_of_the_ranges_is_told_and_computed_again(self):
        spec = self.spec(models=[model(smallest_models(1)[0])], tasks=[task("recall")], conditions=[ZERO_SHOT])
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1), 0)
        with h5py.File(store, "r+") as file:
            file["ranges/seconds"][0] = 1e9
            file["ranges/state"][2] = 7
        self.check(run("status", store, "--verify"), 3, "items 0 to 63;", "items 128 to 191;")
        self.check(run("run", spec, "-o", store, "--threads", 1), 0, "2 ranges of items are damaged", "2 of 5 item ranges to do")
        self.check(run("status", store, "--verify"), 0, "all checksums hold")

    # ---- studies that grow, are repeated, or are split ------------------------------------------------------------

    def test_a_spec_with_more_extends_the_store_and_computes_only_that(self):
        a, b = smallest_models(2)
        small = dict(models=[model(a)], tasks=[task("negation")], conditions=[FEW_SHOT])
        large = dict(models=[model(b), model(a)], tasks=[task("recall"), task("negation")], conditions=[ZERO_SHOT, FEW_SHOT])
        store = self.sweep("s", **small)
        spec = self.spec("large.json", **large)
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 0, "5 item ranges taken over",
                   "35 of 40 item ranges to do")
        self.assert_same_scores(self.sweep("whole", **large), store)
        self.check(run("status", store, "--verify"), 0, "all checksums hold")
        self.assertEqual([r["num_ranks"] for r in self.status(store)["runs"]], [1, 2])
        before = store.read_bytes()
        self.check(run("run", self.spec("s.json", **small), "-o", store, "--threads", 1), 2,
                   f"the store has model '{b}', which the spec lacks", "task 'recall'", "condition 'zero_shot'")
        self.assertEqual(store.read_bytes(), before)
        self.assertEqual(sorted(path.name for path in self.folder.glob("s.h5*")), ["s.h5"])

    def test_a_nightly_sweep_takes_over_what_has_not_changed(self):
        a, b = smallest_models(2)
        monday = self.sweep("monday", models=[model(a)])
        both = dict(models=[{**model(a), "name": "renamed"}, model(b)])
        tuesday = self.sweep("tuesday", "--reuse", monday, **both, texts=["20 item ranges taken over", "20 of 40 item ranges to do"])
        self.assert_same_scores(self.sweep("whole", **both), tuesday)
        self.sweep("wednesday", "--reuse", monday, "--reuse", tuesday, **both, texts=["0 of 40 item ranges to do"])
        self.sweep("thursday", "--reuse", self.folder / "gone.h5", **both, code=2, texts=["gone.h5: ", "No such file"])

    def test_the_stores_of_a_split_study_are_merged(self):
        a, b = smallest_models(2)
        whole = self.sweep("whole", models=[model(a), model(b)])
        parts = [self.sweep("a", models=[model(a)]), self.sweep("b", models=[model(b)])]
        merged = self.folder / "merged.h5"
        self.check(run("merge", *parts, "-o", merged), 0, "done")
        self.assert_same_scores(whole, merged)
        self.check(run("merge", *parts, "-o", merged), 2, "is there already")
        self.check(run("run", self.spec("whole.json", models=[model(a), model(b)]), "-o", merged, "--threads", 1), 0, "0 of 40")
        spec = self.spec("named.json", models=[model(b)])
        spec.write_text(spec.read_text().replace('"name": "test"', '"name": "another study"'))
        named = self.folder / "named.h5"
        self.check(run("run", spec, "-o", named, "--threads", 1), 0)
        self.check(run("merge", parts[0], named, "-o", self.folder / "two's.h5"), 0, "named.h5 is of a sweep called another study",
                   f"done; next: catenary status '{self.folder}/two'\\''s.h5'")
        other = self.sweep("other", models=[{**model(a), "family": "mine"}])
        self.check(run("merge", parts[0], other, "-o", self.folder / "no.h5"), 2, "these stores are of different studies", f"model '{a}', family: 'test' in")
        self.check(run("merge", parts[0], "-o", self.folder / "no.h5"), 2, "STORE")
        self.assertFalse((self.folder / "no.h5").exists())

    def test_durability_changes_nothing_but_the_time(self):
        stores = [self.sweep(word, "--durability", word, models=[model(MODELS[0])]) for word in ("none", "end", "range")]
        for store in stores[1:]:
            self.assert_same_scores(stores[0], store)
        self.sweep("never", "--durability", "never", code=2, texts=["--durability"])

    # ---- signals ---------------------------------------------------------------------------------------------------

    def test_a_signal_finishes_what_is_in_hand_and_a_second_ends_at_once(self):
        spec = self.long_spec()
        for signals in ([signal.SIGINT], [signal.SIGTERM], [signal.SIGUSR1], [signal.SIGTERM, signal.SIGINT]):
            store = self.folder / f"{len(list(self.folder.iterdir()))}.h5"
            process = start("run", spec, "-o", store, "--threads", 1)
            self.wait_until_some_are_done(store)
            for number in signals:
                process.send_signal(number)
            result = Result(process)
            self.check(result, 75)
            self.assertEqual("run the same command again to go on" in result.err, len(signals) == 1, result.err)
            status = json.loads(run("status", store, "--verify", "--json").out)
            self.assertGreater(status["pending"]["num_items"], 0)
            self.assertEqual(status["num_damaged_ranges"], 0)
            self.assertEqual(status["runs"][0]["finished"] is None, len(signals) == 2)

    def test_a_signal_before_anything_is_computed_stops_in_order_too(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            store = self.folder / f"{number}.h5"
            process = start("run", self.long_spec(), "-o", store, "--threads", 1)
            while pathlib.Path(f"/proc/{process.pid}/exe").resolve().name != "catenary-run":
                pass  # which now loads its libraries
            process.send_signal(number)
            self.check(Result(process), 75, "stopped before the first item; run the same command again")

    # ---- export ----------------------------------------------------------------------------------------------------

    def test_what_is_exported_is_what_fit_and_score_say(self):
        store = self.sweep("s", models=[model(m) for m in MODELS], tasks=[task("negation")], conditions=[ZERO_SHOT])
        table = self.folder / "s.csv"
        self.check(run("export", store, "-o", table), 0)
        points = lambda source: [(c["metric"], p["model"], p["value"]) for c in json.loads(run("fit", source, "--json").out)["curves"]
                                 for p in c["points"]]
        self.assertEqual(sorted(points(table)), sorted(points(store)))
        self.assertEqual(run("export", store).out, table.read_text())
        lines = [json.loads(line) for line in run("export", store, "--format", "jsonl").out.splitlines()]
        self.assertEqual(len(lines), 300 * len(MODELS))
        of_model = [line for line in lines if line["model"] == MODELS[0]]
        scores = run("score", DEMO / "models" / MODELS[0], DEMO / "tasks" / "negation.jsonl", "--threads", 1)
        for line, score in zip(of_model, map(json.loads, scores.out.splitlines()), strict=True):
            self.assertEqual({key: line[key] for key in score}, score)

    def test_what_is_not_done_is_left_out_of_an_export_and_told(self):
        store = self.sweep("s", models=[model(MODELS[0])], tasks=[task("negation")], conditions=[ZERO_SHOT])
        self.damage(store)
        result = run("export", store)
        self.check(result, 0, "64 items are left out")
        self.assertEqual(len(result.out.splitlines()), 1 + 300 - 64)

    # ---- disks -----------------------------------------------------------------------------------------------------

    def test_a_disk_that_is_too_small_is_told_before_the_first_item(self):
        with tempfile.TemporaryDirectory() as disk:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True).returncode != 0:
                self.skipTest("mounting a small disk is not permitted here")
            self.addCleanup(subprocess.run, ["umount", disk], check=False, capture_output=True)
            store = pathlib.Path(disk) / "s.h5"
            self.check(run("run", self.spec(), "-o", store, "--threads", 1, ranks=2), 1, "s.h5: the disk is full: the store needs")
            self.assertEqual(list(pathlib.Path(disk).iterdir()), [])
            subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
            self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0)
            # Full from now on: all space was taken when the file was made, so a sweep that goes on needs none, ...
            before = self.status(store)["done"]
            self.damage(store)
            filler = os.open(pathlib.Path(disk) / "filler", os.O_WRONLY | os.O_CREAT)
            with self.assertRaises(OSError):
                while True:
                    os.write(filler, bytes(4096))
            os.close(filler)
            self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0, "1 of 40 item ranges to do")
            self.check(run("status", store, "--verify"), 0, "all checksums hold")
            # ... and one that has to be extended is refused, with the store as it was.
            more = self.spec("more.json", models=[model(m) for m in MODELS], tasks=[task(t) for t in ("negation", "recall", "category", "memory-trap")])
            self.check(run("run", more, "-o", store, "--threads", 1), 1, "the disk is full")
            self.assertEqual(self.status(store)["done"], before)
            subprocess.run(["umount", disk], check=True)

    def test_a_folder_that_cannot_be_written_is_told(self):
        with tempfile.TemporaryDirectory() as disk:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True).returncode != 0:
                self.skipTest("mounting a read-only disk is not permitted here")
            self.addCleanup(subprocess.run, ["umount", disk], check=False, capture_output=True)
            store = pathlib.Path(disk) / "s.h5"
            self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            for path in (store, pathlib.Path(disk) / "new.h5"):
                self.check(run("run", self.spec(), "-o", path, "--threads", 1, ranks=2), 1, str(path), "Read-only file system")
            self.check(run("status", store, "--verify"), 0, "all checksums hold")
            self.check(run("fit", store), 0)
            subprocess.run(["umount", disk], check=True)

    def test_flipped_bytes_are_found_and_repaired_or_refused(self):
        """A byte anywhere in the file: results that are right, or damage that the next run repairs, or an error."""
        spec = dict(models=[model(MODELS[0])], tasks=[task("negation", limit=128)], conditions=[ZERO_SHOT])
        whole = self.sweep("whole", **spec)
        good = whole.read_bytes()
        exported = run("export", whole, "--format", "jsonl").out
        flips = random.Random(20261122)
        path = self.folder / "damaged.h5"
        again = ["run", self.spec("whole.json", **spec), "-o", path, "--threads", 1]
        outcomes = {"refused": 0, "made anew": 0, "repaired": 0, "not read": 0}
        for _ in range(int(os.environ.get("CATENARY_CLI_BYTE_FLIPS", 40))):
            data = bytearray(good)
            where = flips.randrange(len(data))
            data[where] ^= flips.randrange(1, 256)
            path.write_bytes(data)
            status = run("status", path, "--verify")
            self.assertIn(status.code, (0, 1, 3), f"byte {where}: {status.err}")
            if status.code == 1:
                self.assertIn("damaged.h5", status.err)
                result = run(*again)
                if result.code == 0:
                    self.assertIn("its tables are damaged; they are made anew", result.err)
                    self.assertEqual(run("export", path, "--format", "jsonl").out, exported, f"byte {where}")
                else:
                    self.check(result, 1, "damaged.h5")
                    self.assertEqual(path.read_bytes(), data, f"byte {where}")
                outcomes["refused" if result.code else "made anew"] += 1
                continue
            out = run("export", path, "--format", "jsonl").out
            self.assertTrue(set(out.splitlines()) <= set(exported.splitlines()), f"byte {where}")
            if out == exported:
                outcomes["not read"] += 1
                continue
            self.check(run(*again), 0)
            self.assertEqual(run("export", path, "--format", "jsonl").out, exported, f"byte {where}")
            outcomes["repaired"] += 1
        print(outcomes)
        self.assertGreater(outcomes["made anew"], 0)

    def test_a_store_that_is_cut_short_or_of_another_program_is_refused(self):
        store = self.sweep("s", models=[model(MODELS[0])])
        good = store.read_bytes()
        for size in (0, 8, 100, len(good) // 2, len(good) - 1):
            store.write_bytes(good[:size])
            for args in (["status", store, "--verify"], ["export", store], ["run", self.folder / "s.json", "-o", store, "--threads", 1]):
                result = run(*args)
                self.check(result, 1, "s.h5")
                self.assertEqual(result.err.count("catenary: error"), 1, result.err)
            self.assertEqual(store.read_bytes(), good[:size])


if __name__ == "__main__":
    unittest.main(verbosity=2)
