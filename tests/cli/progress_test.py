"""What `catenary run` shows of its progress in a terminal, and that it draws nothing elsewhere."""

import json
import os
import pathlib
import re
import sys
import unittest

from harness import CATENARY, DEMO, MODELS, SweepTestCase, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from terminal import run_in_terminal

COLUMNS = 120
BAR = re.compile(r"([█#]*)([░.]*) +(\d+) %  (\d+)/(\d+) units, [^,]* left(, \d+ ranges? failed)?, [\d.]+ items/s, \d+ tokens/s, \S+ GFLOP/s")


class ProgressTest(SweepTestCase):
    def in_terminal(self, spec, code=0, **environment):
        """What a terminal of COLUMNS columns got from the sweep on standard error."""
        environment = {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL")},
                       "TERM": "xterm", "LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8", **environment}
        ended, text = run_in_terminal([CATENARY, "run", spec, "-o", self.folder / "s.h5", "--threads", "1"], "stderr", environment, COLUMNS)
        self.assertEqual(ended, code, text)
        (self.folder / "s.h5").unlink()
        return text.decode()

    def bars(self, text):
        """The bars that were drawn, without colours, and whether each took one line."""
        drawn = [re.sub("\x1b\\[\\d+m", "", line) for line in re.findall("\r\x1b\\[K([^\r\n]+)", text) if " %  " in line]
        self.assertTrue(drawn, text)
        for line in drawn:
            self.assertLess(len(line), COLUMNS)
            self.assertTrue(BAR.fullmatch(line), line)
        return [BAR.fullmatch(line) for line in drawn]

    def test_a_terminal_gets_a_bar_that_fills(self):
        spec = self.long_spec()
        text = self.in_terminal(spec)
        bars = self.bars(text)
        self.assertGreater(len(bars), 1)
        shares = [int(bar[3]) for bar in bars]
        self.assertEqual(shares, sorted(shares))
        self.assertEqual((shares[-1], bars[-1][4]), (100, bars[-1][5]))
        self.assertEqual(int(bars[-1][5]), 20 * len(MODELS))
        for bar in bars:
            length = len(bar[1] + bar[2])
            self.assertGreaterEqual(length, 5)
            self.assertAlmostEqual(len(bar[1]), length * int(bar[3]) / 100, delta=1.2)
        self.assertIn("\x1b[32m", text)
        self.assertRegex(text, "\r\x1b\\[K\\d+ of \\d+ item ranges done in")
        text = self.in_terminal(spec, NO_COLOR="1", LANG="C", LC_CTYPE="C")
        self.assertIn("#", self.bars(text)[-1][1])
        self.assertNotIn("\x1b[3", text)
        self.assertTrue(text.isascii())

    def test_failures_are_told_on_lines_of_their_own_and_in_the_bar(self):
        too_long = {"prompt": " ".join(["the"] * 9000), "classes": [" bread", " bell"], "answer_index": 0}
        good = (DEMO / "tasks" / "recall.jsonl").read_text()
        task = self.write("long.jsonl", json.dumps(too_long) + "\n" + good)
        text = self.in_terminal(self.spec(tasks=[{"name": "long", "path": str(task)}], conditions=[{"name": "z", "kind": "zero_shot"}]), code=3)
        bars = self.bars(text)
        self.assertEqual(bars[-1][6], ", 2 ranges failed")
        self.assertIn("\x1b[31m", text)
        warnings = [line for line in text.split("\n") if "failed: " in line]
        self.assertEqual(len(warnings), 2)
        for line in warnings:
            self.assertRegex(line.rsplit("\x1b[K", 1)[-1], "^catenary: warning: .* x long x .* failed: .*the model's context is")

    def test_elsewhere_nothing_is_drawn(self):
        spec = self.spec()
        for text in (self.in_terminal(spec, TERM="dumb"), run("run", spec, "-o", self.folder / "t.h5", "--threads", 1).err):
            self.assertNotIn("\x1b", text)
            self.assertNotIn("%", text)
            self.assertIn("item ranges done in", text)


if __name__ == "__main__":
    unittest.main()
