"""`catenary status --watch`, what status says of a sweep that is not at its end, and what terminals can show."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from study import BIN, plain_items, run, write_study

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from terminal import open_terminal, run_in_terminal


class Status(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def test_of_an_unfinished_run_it_tells_pace_and_time_left(self):
        store = write_study(self.folder, plain_items(64), num_models=5, num_ranges=2)  # five ranges of 64 items
        status = json.loads(run(BIN / "catenary", "status", store, "--json"))
        pace = status["pace"]
        self.assertEqual((status["done"]["num_items"], status["pending"]["num_items"]), (128, 192))
        self.assertAlmostEqual(pace["seconds_left"], 192 / pace["items_per_second"], places=6)
        self.assertAlmostEqual(pace["tokens_per_second"] / pace["items_per_second"], 2000 / 128, places=6)
        self.assertAlmostEqual(pace["flops_per_second"] / pace["items_per_second"], 2e9 / 128, places=0)
        self.assertIn(" left at that pace", run(BIN / "catenary", "status", store))

    def test_a_finished_sweep_has_no_pace_and_ends_the_watch(self):
        store = write_study(self.folder, plain_items(10))
        self.assertIsNone(json.loads(run(BIN / "catenary", "status", store, "--json"))["pace"])
        text = run(BIN / "catenary", "status", store, "--watch")
        self.assertEqual(text, run(BIN / "catenary", "status", store))  # no terminal, no escapes

    def test_in_a_terminal_the_watch_draws_anew_and_goes_on_while_items_are_pending(self):
        store = write_study(self.folder, plain_items(64), num_ranges=2)
        ours, theirs = open_terminal()
        watch = subprocess.Popen([BIN / "catenary", "status", store, "--watch"], stdout=theirs, stderr=subprocess.STDOUT)
        os.close(theirs)
        text = b""
        while text.count(b"\x1b[2J") < 2:
            text += os.read(ours, 65536)
        self.assertIsNone(watch.poll())
        self.assertIn(b"left at that pace", text)
        watch.terminate()
        watch.wait()
        os.close(ours)

    def test_signs_are_ascii_in_a_terminal_that_has_no_others(self):
        store = write_study(self.folder, plain_items(20))
        command = [BIN / "catenary", "fit", store]
        for locale, sign in (("C", b"+-"), ("C.UTF-8", "±".encode())):
            environment = {**os.environ, "TERM": "xterm", "LC_ALL": locale}
            ended, text = run_in_terminal(command, "stdout", environment)
            self.assertEqual(ended, 0)
            self.assertIn(b"0.45" + sign, text)
            self.assertEqual(text.isascii(), locale == "C")
            self.assertIn("±", subprocess.run(command, capture_output=True, env=environment).stdout.decode())  # in a file, always


if __name__ == "__main__":
    unittest.main()
