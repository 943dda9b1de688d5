"""report_bench.py BIN_DIR [ITEMS_A_TASK]: the page of 1,000 curves (100 tasks x 10 conditions, six models). 167 items a task, the
default, are 10^6 scored items. Prints seconds and memory of `catenary report`, the page's size, and how long a browser takes until
the overview and a task can be used."""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "report"))
import browser

TASKS, CONDITIONS, MODELS = 100, 10, 6


def main(binaries, num_items):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        item = "Item {}: which of the two is right, the first or the second, of this pair number {}?"
        (folder / "items.jsonl").write_text("".join(json.dumps(
            {"prompt": item.format(i, 7919 * i % 1000), "classes": [" first", " second"], "answer_index": i % 2}) + "\n" for i in range(num_items)))
        (folder / "sweep.json").write_text(json.dumps({
            "name": "bench",
            "models": [{"name": f"model-{i}", "path": f"model-{i}", "training_tokens": 1e11} for i in range(MODELS)],
            "tasks": [{"name": f"task-{i}", "path": "items.jsonl"} for i in range(TASKS)],
            "conditions": [{"name": f"condition-{i}", "kind": "few_shot", "k": i + 1} for i in range(CONDITIONS)]}))
        subprocess.run([binaries / "synthetic_store", folder / "sweep.json", folder / "study.h5"], check=True)
        start, page = time.monotonic(), folder / "page.html"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([binaries / "catenary", "report", folder / "study.h5", "-o", page], check=True, stderr=subprocess.DEVNULL)
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{TASKS * CONDITIONS} curves, {num_items * TASKS * CONDITIONS * MODELS} scored items: {seconds:.1f} s "
              f"({after.ru_utime - before.ru_utime:.1f} s of processor time), {after.ru_maxrss / 1024:.0f} MiB, page {page.stat().st_size / 1e6:.1f} MB")
        if not browser.CHROMIUM:
            return
        view = browser.Browser()
        try:
            for fragment in ("", "#task=task-7"):
                times = []
                for _ in range(3):
                    start = time.monotonic()
                    view.open(page, fragment)
                    times.append(time.monotonic() - start)
                print(f"page{fragment} drawn after {min(times):.2f} s (best of {len(times)}; 0.1 s of them are the browser's driver)")
        finally:
            view.close()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 167)
