"""Recomputes a sweep's metrics from what is stored (the log-likelihoods of each class, the answers to numeric items) and
compares them with Catenary's. Errors of numeric items are over those that all models answered with a number, so they
are compared for one model at a time.

    pip install h5py numpy
    catenary fit STORE.h5 --json --metric accuracy,loss | python parity.py STORE.h5
    catenary fit STORE.h5 --json --metric accuracy,unparsable,relative_error,anchoring | python parity.py STORE.h5
"""

import json
import re
import sys

import h5py
import numpy as np

store = h5py.File(sys.argv[1], "r")
column = lambda name: store[name].asstr()[:] if store[name].dtype.kind == "S" else store[name][:]
names = {kind: column(kind + "s/name") for kind in ("model", "task", "condition")}
formats, families = column("tasks/format"), column("models/family")
totals, begins, sizes = column("scores/log_likelihood"), column("task_items/class_begin"), column("task_items/num_classes")
answers, item_begins = column("task_items/answer_index"), column("tasks/item_begin")

texts = {name: store[f"texts/{name}"][:] for name in ("begin", "num_bytes")}
true_answers, anchors = column("task_items/true_answer"), column("task_items/anchor")


def numbers(unit, first, count):
    """The four metrics of a unit of numeric items."""
    values = {"accuracy": [], "unparsable": [], "relative_error": [], "anchoring": []}
    per_item = store["units/num_texts_per_item"][unit]
    for i in range(count):
        row = store["units/text_begin"][unit] + per_item * (i + 1) - 1  # the last text is the answer
        begin = texts["begin"][row]
        line = bytes(store["text_bytes"][begin : begin + texts["num_bytes"][row]]).decode().split("\n")[0]
        line = line.strip().translate(str.maketrans("", "", ",()")).rstrip(".")
        is_number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", line)
        truth, anchor = true_answers[first + i], anchors[first + i]
        values["unparsable"].append(not is_number)
        values["accuracy"].append(bool(is_number) and float(line) == truth)
        if is_number:
            values["relative_error"].append(abs(float(line) - truth) / (abs(truth) or 1))
            if not np.isnan(anchor) and anchor != truth:
                values["anchoring"].append((float(line) - truth) / (anchor - truth))
    return values


ours = {}
for unit in range(len(store["units/id"])):
    model, task, condition = (int(store[f"units/{kind}_index"][unit]) for kind in ("model", "task", "condition"))
    first = item_begins[task]
    key = (names["model"][model], names["task"][task], names["condition"][condition], families[model])
    if formats[task] == "numeric":
        for metric, values in numbers(unit, first, store["tasks/num_items"][task]).items():
            if len(values) >= 5 and (metric in ("accuracy", "unparsable") or len(set(values)) > 1):
                ours[key + (metric,)] = np.mean(values)
        continue
    losses, correct = [], []
    for item in range(first, first + store["tasks/num_items"][task]):
        begin = store["units/class_begin"][unit] + begins[item] - begins[first]
        l, a, form = totals[begin : begin + sizes[item]], answers[item], formats[task]
        if form == "sequence_prob":
            losses.append(-l[0])
            continue
        if form.endswith("logodds"):
            difference = (l[0] - l[1]) - (l[2] - l[3])
            losses.append(abs(difference) if form[0] == "a" else difference * (-1 if a == 1 else 1))
            l = l[2:]
        else:
            losses.append(np.log(np.exp(l).sum()) - l[a])
        correct.append(np.argmax(l) == a)
    ours[key + ("loss",)] = np.mean(losses)
    if correct:
        ours[key + ("accuracy",)] = np.mean(correct)

worst = 0.0
for curve in json.load(sys.stdin)["curves"]:
    for point in curve["points"]:
        key = (point["model"], curve["task"], curve["condition"], curve["family"], curve["metric"])
        worst = max(worst, abs(ours.pop(key) - point["value"]))
print(f"largest difference {worst:.1e}; {len(ours)} values that Catenary did not give")
sys.exit(worst > 1e-9 or len(ours) > 0)
