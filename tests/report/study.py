"""Stores of models that do not exist, for tests."""

import json
import os
import pathlib
import subprocess
import tempfile

BIN = pathlib.Path(os.environ["CATENARY_BIN"])


def run(*args):
    result = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise AssertionError(f"{args}: {result.stderr}")
    return result.stdout


def write_study(folder, items, tasks=("negation",), conditions=("zero_shot",), num_models=5, families=("a",), num_ranges=None):
    """The store of a sweep of models that do not exist, in a folder of its own. Condition i shows i + 1 exemplars, unless
    it is an object. With `num_ranges` the rest is pending."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    spec = {
        "name": "study",
        "models": [{"name": f"{family}-{i}", "path": f"{family}-{i}", "family": family, "training_tokens": 1e10 * (i + 1)}
                   for family in families for i in range(num_models)],
        "tasks": [{"name": task, "path": "items.jsonl"} for task in tasks],
        "conditions": [condition if isinstance(condition, dict) else {"name": condition, "kind": "few_shot", "k": i + 1}
                       for i, condition in enumerate(conditions)],
    }
    (folder / "sweep.json").write_text(json.dumps(spec))
    run(BIN / "synthetic_store", folder / "sweep.json", folder / "study.h5", *([] if num_ranges is None else [num_ranges]))
    return folder / "study.h5"


def plain_items(n):
    return [{"prompt": f"Question {i}: which one?", "classes": [" this", " that one"], "answer_index": i % 2} for i in range(n)]
