"""The documents are true: every command in them runs, every option and message that they name exists.

A command stands in a block of `sh`, all of which is run, or behind "$ " in another block, whose other lines are output. What
a command needs that is not here (a cluster, a download) is named below, with what tries it instead.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from harness import BIN, SOURCE, SweepTestCase, run

DOCUMENTS = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md")), SOURCE / "jobs/demo/README.md"]
CHECKPOINT = pathlib.Path(os.environ.get("CATENARY_TEST_MODEL", "/nowhere"))
ELSEWHERE = {
    r"^git clone|^cd catenary|^make |^pip ": "this test is a part of that",
    r"catenary submit|catenary doctor": "tests/slurm; what a doctor finds is not the documents' fault",
    r"^ctest |_test( |$)|_bench|bench\.py|^cmake |compute-sanitizer": "tests and benches",
    r"leak_test.py|train.py": "jobs.demo_leak; training takes a quarter of an hour",
    r"catenary run jobs/(smollm2|conditions)|smollm2\.h5|\.gguf|SmolLM2|jobs/data": "engine.reference, where the checkpoint is",
    r"jobs/540b.json .*(--compare|nodes=1250)": "cli.simulate, with fewer units",
    r"^python3$|^h5dump": "an interactive session",
}


def commands(document):
    """The shell commands of a document, in order; a block of `sh` is one."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.S | re.M):
        if language == "sh":
            yield block
        else:
            yield from re.findall(r"^\$ (.+)$", block, re.M)


def why_elsewhere(command):
    return next((why for pattern, why in ELSEWHERE.items() if re.search(pattern, command)), None)


class DocumentsTest(SweepTestCase):
    def test_every_command_runs(self):
        ran = 0
        for document in DOCUMENTS:
            script = [command for command in commands(document) if not why_elsewhere(command)]
            if not script:
                continue
            with self.subTest(document.name):
                folder = self.folder / document.stem
                (folder / "build").mkdir(parents=True)
                (folder / "build/bin").symlink_to(BIN.resolve())
                (folder / "jobs").symlink_to(SOURCE / "jobs")
                (folder / "bin").mkdir()
                (folder / "bin/python3").symlink_to(sys.executable)  # the one that has h5py
                environment = os.environ | {"PATH": f"{folder}/bin:{BIN.resolve()}:{os.environ['PATH']}"}
                result = subprocess.run(["bash", "-e", "-x", "-c", "\n".join(script)], cwd=folder, env=environment, capture_output=True,
                                        text=True, timeout=900)
                self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr[-4000:])
            ran += len(re.findall(r"^(?:mpirun .*)?(?:build/bin/)?catenary ", "\n".join(script), re.M))
        self.assertGreater(ran, 20)

    def test_every_example_of_help_runs(self):
        (self.folder / "jobs").symlink_to(SOURCE / "jobs")
        demo = SOURCE / "jobs/demo.json"
        self.check(run("run", demo, "-o", self.folder / "demo.h5", "--threads", 1, ranks=2), 0)
        for name in ("monday.h5", "tuesday.h5"):
            shutil.copy(self.folder / "demo.h5", self.folder / name)
        for i, name in enumerate(("small-models.h5", "large-models.h5")):
            self.check(run("run", demo, "-o", self.folder / name, "--part", f"{i + 1}/2", "--reuse", self.folder / "demo.h5"), 0)
        self.check(run("export", self.folder / "demo.h5", "-o", self.folder / "results.csv"), 0)
        self.check(run("tasks", "generate", "memo-trap", "--n", 20, "--seed", 1, "-o", self.folder / "memo-trap.jsonl"), 0)
        self.write("neqa.csv", "prompt,classes,answer_index\n" + "".join(f"is {i} not odd?,\"[' yes', ' no']\",{i % 2}\n" for i in range(20)))
        self.write("task.json", json.dumps({"metrics": ["multiple_choice_grade"],
                                            "examples": [{"input": "is it?", "target_scores": {"yes": 1, "no": 0}}]}))
        self.write("arc.jsonl", json.dumps({"question": "is it?", "choices": {"text": ["yes", "no"], "label": ["A", "B"]}, "answerKey": "A"}))
        commands = ["run", "score", "plan", "status", "fit", "compare", "report", "export", "merge", "submit", "supervise", "nightly", "doctor",
                    "tasks show", "tasks generate", "tasks import", "models inspect"]
        ran = 0
        for command in commands:
            text = run(*command.split(), "--help").out
            examples = re.findall(r"^  (?:mpirun .*|salloc .*|exec )?catenary .*(?:\n      .*)*", text.partition("\nExample")[2], re.M)
            self.assertGreater(len(examples), 0, command)
            for example in examples:
                if why_elsewhere(example.strip()) or "/models/" in example or example.strip().startswith(("exec", "salloc")):
                    continue
                with self.subTest(example):
                    example = example.replace("| head -n 3", "| sed -n 1,3p")  # which reads all
                    if " run " in example:
                        example = example.replace("demo.h5", f"run-{ran}.h5")
                    result = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", example], cwd=self.folder, capture_output=True, text=True, timeout=300,
                                            env=os.environ | {"PATH": f"{BIN.resolve()}:{os.environ['PATH']}"})
                    self.assertEqual(result.returncode, 0, result.stdout[-1000:] + result.stderr)
                    ran += 1
        self.assertGreater(ran, 20)

    def test_every_option_exists(self):
        """Of `catenary COMMAND … --option`, in a block or within a line."""
        helps = {}
        checked = 0
        for document in DOCUMENTS:
            for line in re.findall(r"`[^`\n]+`|^(?:\$ |    ).+$", document.read_text().replace("\\\n", " "), re.M):
                called = re.search(r"\bcatenary ((?:tasks|models) [a-z]+|[a-z]+)\b(.*)", line)
                if not called:
                    continue
                command = called[1]
                if command not in helps:
                    result = subprocess.run([BIN / "catenary", *command.split(), "--help"], capture_output=True, text=True)
                    helps[command] = result.stdout if result.returncode == 0 else None
                if helps[command] is None:  # `catenary store` is what a file says of itself
                    self.assertNotIn("--", called[2], f"{document.name}: {line}")
                    continue
                own = called[2].split(" -- ")[0]
                for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", own):
                    if command == "tasks generate" and option in ("--n", "--seed", "--control"):
                        continue  # of each task
                    self.assertIn(option, helps[command], f"{document.name}: {line}")
                    checked += 1
        self.assertGreater(checked, 20)

    def test_messages_of_the_guide_are_the_programs(self):
        sources = "\n".join(path.read_text() for path in (SOURCE / "src").rglob("*.cc"))
        sources = re.sub(r'"\s*\n\s*(?:fmt::format\()?"', "", sources)  # one literal over several lines
        table = (SOURCE / "docs/guide.md").read_text().split("## When it says")[1]
        messages = re.findall(r"^\| `([^`]+)`", table, re.M)
        self.assertGreater(len(messages), 8)
        for message in messages:
            self.assertIn(message, sources)

    def test_files_that_documents_name_exist(self):
        for document in DOCUMENTS:
            for name in set(re.findall(r"`((?:docs|jobs|src|include|tests|slurm|cmake)/[\w./-]+)`", document.read_text())):
                if not name.startswith("jobs/data/"):
                    self.assertTrue((SOURCE / name).exists() or (SOURCE / f"{name}.cc").exists(), f"{document.name}: {name}")


if __name__ == "__main__":
    unittest.main()
