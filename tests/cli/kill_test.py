"""Kills sweeps of four ranks that score the smallest demo model, at any moment from launch on: one rank, all, or mpirun.

After each kill the store must open and its checksums hold; the same command must go on, leave alone what was done, and end
with the bits of an undisturbed sweep. CATENARY_KILLS says how many kills (default 4), CATENARY_KILL_SEED repeats a run.
"""

import collections
import os
import random
import signal
import struct
import subprocess
import time
import unittest

from harness import DEMO, Result, SweepTestCase, run, smallest_models, start

RANKS = 4
CONDITIONS = [{"name": "zero_shot", "kind": "zero_shot"}] + [
    {"name": f"seed_{seed}", "kind": "few_shot", "k": 4, "seed": seed, "exemplars": "per_item", "separator": "\n"} for seed in range(9)]


def children_of(pid):
    """The processes that descend from `pid`."""
    found = []
    for entry in os.listdir(f"/proc/{pid}/task") if os.path.exists(f"/proc/{pid}/task") else []:
        try:
            with open(f"/proc/{pid}/task/{entry}/children") as file:
                for child in map(int, file.read().split()):
                    found += [child, *children_of(child)]
        except OSError:
            pass
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # one that nobody waited for
    except OSError:
        return False


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class KillTest(SweepTestCase):
    def column(self, store, name, code):
        """A column's numbers, read by HDF5's own tool."""
        raw = self.folder / "column.bin"
        subprocess.run(["h5dump", "-d", name, "-b", "LE", "-o", raw, store], check=True, capture_output=True)
        data = raw.read_bytes()
        return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)

    def wait_for(self, store, process):
        while process.poll() is None and not store.exists():
            time.sleep(0.001)

    def done_ranges(self, store):
        """When each done range was finished."""
        states, finished = self.column(store, "/ranges/state", "B"), self.column(store, "/ranges/finished", "d")
        return {i: finished[i] for i, state in enumerate(states) if state == 1}

    def test_a_sweep_survives_kills_at_any_moment(self):
        seed = int(os.environ.get("CATENARY_KILL_SEED", time.time_ns() % 1_000_000))
        print("seed", seed)
        chance = random.Random(seed)
        spec = self.spec(models=[{"name": "m", "path": str(DEMO / "models" / smallest_models(1)[0])}],
                         tasks=[{"name": t, "path": str(DEMO / "tasks" / f"{t}.jsonl")} for t in ("negation", "recall", "category")],
                         conditions=CONDITIONS)
        undisturbed = self.folder / "undisturbed.h5"
        begin = time.monotonic()
        process = start("run", spec, "-o", undisturbed, "--threads", 1, ranks=RANKS)
        self.wait_for(undisturbed, process)
        store_made = time.monotonic()
        self.check(Result(process), 0)
        end = time.monotonic()
        outcomes = collections.Counter()
        for number in range(int(os.environ.get("CATENARY_KILLS", 4))):
            with self.subTest(seed=seed, kill=number):
                store = self.folder / f"{number}.h5"
                process = start("run", spec, "-o", store, "--threads", 1, ranks=RANKS)
                # Half at any time from launch on, half once the store is there, where the results are written.
                if chance.random() < 0.5:
                    time.sleep(chance.random() * (end - begin))
                else:
                    self.wait_for(store, process)
                    time.sleep(chance.random() * (end - store_made))
                ranks = children_of(process.pid)
                victim = chance.choice(["one rank", "all", "mpirun"])
                if victim == "one rank" and ranks:
                    kill(chance.choice(ranks))
                elif victim == "mpirun":
                    kill(process.pid)
                else:
                    for pid in [process.pid, *ranks]:
                        kill(pid)
                Result(process)
                deadline = time.monotonic() + 10  # ranks that outlive mpirun end by themselves, or are ended
                while any(map(is_alive, ranks)) and time.monotonic() < deadline:
                    time.sleep(0.01)
                for pid in ranks:
                    kill(pid)

                done = {}
                if store.exists():
                    self.check(run("status", store, "--verify"), 0, "all checksums hold")
                    done = self.done_ranges(store)
                all_done = len(done) == len(self.done_ranges(undisturbed))
                outcomes["before the store" if not store.exists() else "when all was done" if all_done else
                         "while writing" if done else "before the first range"] += 1
                self.check(run("run", spec, "-o", store, "--threads", 1, ranks=RANKS), 0, "done; next")
                self.check(run("status", store, "--verify"), 0, "all checksums hold")
                for dataset in ("/scores", "/items", "/task_items", "/units", "/ranges/checksum"):
                    compared = subprocess.run(["h5diff", undisturbed, store, dataset], capture_output=True, text=True)
                    self.assertEqual(compared.returncode, 0, compared.stdout + compared.stderr)
                after = self.done_ranges(store)
                again = [i for i, when in done.items() if after[i] != when]
                self.assertEqual(again, [], "ranges that were done are computed again")
                for path in self.folder.glob(f"{number}.h5*"):
                    path.unlink()
        print(dict(outcomes))


if __name__ == "__main__":
    unittest.main(verbosity=2)
