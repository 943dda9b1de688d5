"""`catenary report --figures`: what lies in the folder."""

import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

CATENARY = pathlib.Path(os.environ["CATENARY_BIN"]) / "catenary"
SVG = "{http://www.w3.org/2000/svg}"
NASTY = "it's `touch hacked` $x \\ {/*2 a_b}"


@unittest.skipUnless(shutil.which("gnuplot"), "there is no gnuplot here (Debian: apt-get install gnuplot-nox)")
class Figures(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.table = self.folder / "table.csv"
        rows = [f"{task},{condition},m{i},{10 ** (7 + i)},{metric},{start + 0.1 * i},0.01,400"
                for task in ("up", NASTY) for condition, start in (("zero", 0.1), ("five", 0.3))
                for metric in ("accuracy", "loss") for i in range(6)]
        self.table.write_text("task,condition,model,num_parameters,metric,value,standard_error,n\n" + "\n".join(rows) + "\n")

    def report(self, **more):
        return subprocess.run([str(CATENARY), "report", self.table, "-o", self.folder / "page.html", "--figures", self.folder / "figures"],
                              capture_output=True, text=True, timeout=300, cwd=self.folder, **more)

    def test_a_figure_a_task_and_one_overview_for_each_metric(self):
        result = self.report()
        self.assertEqual(result.returncode, 0, result.stderr)
        names = {path.name for path in (self.folder / "figures").iterdir()}
        stems = [f"{figure}-{metric}" for figure in ("overview", "up", "it_s__touch_hacked___x______2_a_b_") for metric in ("accuracy", "loss")]
        self.assertEqual(names, {f"{stem}.{end}" for stem in stems for end in ("gp", "svg", "pdf", "png")})
        self.assertFalse(list(self.folder.rglob("hacked")))
        for stem in stems:
            path = self.folder / "figures" / stem
            self.assertTrue(path.with_suffix(".pdf").read_bytes().startswith(b"%PDF"))
            self.assertIn(b"/Font", path.with_suffix(".pdf").read_bytes())  # text, not paths
            width, height = struct.unpack(">II", path.with_suffix(".png").read_bytes()[16:24])
            self.assertEqual(width, 1380 if stem.startswith("overview") else 990)
            self.assertLess(height, width)
            tree = ElementTree.parse(path.with_suffix(".svg"))
            texts = "\n".join("".join(node.itertext()).strip() for node in tree.iter(f"{SVG}text"))
            self.assertIn("100M", texts)
            self.assertIn("parameters", texts)
            self.assertIn("accuracy" if "accuracy" in stem else "loss (nats)", texts)
            if stem.startswith("overview"):
                for task in ("up", NASTY):
                    self.assertIn(f"{task}, five: {'positive' if 'accuracy' in stem else 'inverse'}", texts)
            else:
                self.assertIn(NASTY if "hacked" in stem else "up", texts)

    def test_points_stand_where_the_table_has_them(self):
        self.report()
        script = (self.folder / "figures" / "up-accuracy.gp").read_text()
        points = script.split("$points0 << EOD\n")[1].split("EOD")[0].split()
        self.assertEqual([float(word) for word in points[:6]], [1e7, 0.1, 0.0196, 1e8, 0.2, 0.0196])
        # gnuplot's marks are <use> elements with a colour: a dozen points, and two in the key.
        tree = ElementTree.parse(self.folder / "figures" / "up-accuracy.svg")
        self.assertEqual(sum("color" in use.attrib for use in tree.iter(f"{SVG}use")), 12 + 2)

    def test_a_band_that_leaves_the_figure_ends_soon_after(self):
        # A step between two sizes: where it lies is open, so between them the curve may have any value.
        self.table.write_text("task,model,num_parameters,metric,value,standard_error,n\n" + "".join(
            f"step,m{i},{10 ** (5 + i)},loss,{value},0.05,400\n" for i, value in enumerate((1, 1.2, 0.8, 1.2, 0.55, 0.25, 0.26))))
        self.assertEqual(self.report().returncode, 0)
        script = (self.folder / "figures" / "step-loss.gp").read_text()
        rows = [list(map(float, row.split())) for row in script.split("$curve0 << EOD\n")[1].split("EOD")[0].splitlines()]
        low, high = min(row[2] for row in rows), max(row[3] for row in rows)
        self.assertGreater(high - low, 1)
        self.assertGreater(low, 0.15 - 2 * 1.2)
        self.assertLess(high, 1.3 + 2 * 1.2)

    def test_without_gnuplot_the_page_is_there_and_the_reason_told(self):
        result = self.report(env={"PATH": "/nowhere"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("gnuplot-nox", result.stderr)
        self.assertTrue((self.folder / "page.html").exists())


if __name__ == "__main__":
    unittest.main()
