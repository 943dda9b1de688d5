#!/usr/bin/env python3
"""tokenizer_bench beside Hugging Face tokenizers, in turns, one thread each, every line of FILE a text.

    pip install tokenizers transformers gguf            the last two for .gguf
    python3 tests/bench/tokenizer_bench.py build/bin/tokenizer_bench FILE tokenizer.json|MODEL.gguf ...

Hugging Face's time is the shorter one of a call a line and of a call for all of them. transformers leaves out the
pre-tokenizer that SmolLM2's GGUF names ("smollm": digits one by one), so it counts other tokens there.
"""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402: reads the number of threads

ROUNDS = 5


def load(path):
    if path.suffix == ".json":
        return Tokenizer.from_file(str(path))
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).backend_tokenizer


def seconds(encode):
    """The time and the number of tokens."""
    start = time.perf_counter()
    encodings = encode()
    return time.perf_counter() - start, sum(len(encoding.ids) for encoding in encodings)


def main(program, file, *paths):
    lines = Path(file).read_bytes().decode().removesuffix("\n").split("\n")
    print("tokenizer                       tokens    catenary, M/s    tokenizers, M/s    ratio")
    for path in map(Path, paths):
        theirs = load(path)
        theirs.no_padding()
        theirs.no_truncation()
        best = {"catenary": float("inf"), "tokenizers": float("inf")}
        for _ in range(ROUNDS):
            printed = subprocess.run([program, path, file], check=True, capture_output=True, text=True).stdout
            num_tokens, time_taken = re.search(r"line by line .* (\d+) tokens +([\d.]+) s", printed).groups()
            best["catenary"] = min(best["catenary"], float(time_taken))
            for encode in (lambda: [theirs.encode(line, add_special_tokens=False) for line in lines],
                           lambda: theirs.encode_batch_fast(lines, add_special_tokens=False)):
                time_taken, their_tokens = seconds(encode)
                best["tokenizers"] = min(best["tokenizers"], time_taken)
        name = path.stem if path.suffix == ".gguf" else path.parent.name
        ours, peer = (int(num_tokens) / best[key] / 1e6 for key in best)
        print(f"{name[:28]:<28}{num_tokens:>10}{ours:>17.2f}{peer:>19.2f}{best['tokenizers'] / best['catenary']:>9.1f}", flush=True)
        if int(num_tokens) != their_tokens:
            print(f"  tokenizers gives {their_tokens} tokens")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
