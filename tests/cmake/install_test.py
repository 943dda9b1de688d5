"""`cmake --install` gives a folder whose programs, demo and batch scripts work from there.

    install_test.py CMAKE BUILD_DIR
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD = sys.argv[1:3]


class InstallTest(unittest.TestCase):
    def test_what_is_installed_works(self):
        with tempfile.TemporaryDirectory(prefix="catenary test ") as folder:
            prefix = pathlib.Path(folder) / "a prefix"
            subprocess.run([CMAKE, "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)
            share = prefix / "share/catenary"
            for name in ("README.md", "docs/guide.md", "jobs/540b.json", "slurm/sweep.sbatch"):
                self.assertTrue((share / name).is_file(), name)
            self.assertFalse((share / "jobs/data").exists())
            environment = os.environ | {"PATH": f"{prefix / 'bin'}:{os.environ['PATH']}"}
            result = subprocess.run(["catenary", "plan", "jobs/demo.json", "--json"], cwd=share, env=environment, capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(len(json.loads(result.stdout)["units"]), 56)
            if (prefix / "bin/catenary-run").exists():
                result = subprocess.run(["catenary", "score", "jobs/demo/models/demo-9k", "jobs/demo/tasks/recall.jsonl", "--limit", "2"], cwd=share,
                                        env=environment, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(len(result.stdout.splitlines()), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
