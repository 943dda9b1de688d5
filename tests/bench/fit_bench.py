#!/usr/bin/env python3
"""The refits that fit_bench has written, by scipy.optimize.curve_fit from the same starts: both in processor time.

    OMP_NUM_THREADS=1 python3 fit_bench.py REFITS.jsonl    needs numpy and scipy
    python3 fit_bench.py --table FILE.csv ROWS          writes a long table to read
"""
import json
import sys
import time

import numpy as np


def write_table(path, num_rows):
    rng = np.random.default_rng(1)
    models, items = 10, 1000
    with open(path, "w") as file:
        file.write("task,condition,family,model,num_parameters,training_flops,item,loss,correct,log_odds\n")
        for block in range(num_rows // items):
            task, model = divmod(block, models)
            loss = rng.normal(1.5, 0.5, items)
            head = f"task-{task},zero_shot,bench,model-{model},{10 ** 8 * 2 ** model},,"
            file.write("".join(f"{head}{i},{x:.5f},{int(x < 1.5)},{-x:.5f}\n" for i, x in enumerate(loss)))


def line(u, a, b):
    return a + b * u


def quadratic(u, a, b, c):
    return a + b * u + c * u * u


def power_law(u, a, b, c):
    return a + b * 10 ** (-c * u)


def logistic(u, h, k, low=0.0, high=1.0):
    return low + (high - low) / (1 + np.exp(-(h + k * u)))


def time_refits(path, num_refits=200):
    from scipy.optimize import curve_fit

    print("refit by               catenary     scipy, microseconds")
    for text in open(path):
        case = json.loads(text)
        u, errors = np.array(case["u"]), np.array(case["errors"])
        values = np.array(case["values"]).reshape(-1, len(u))[:num_refits]
        best, failed = float("inf"), 0
        for _ in range(3):
            start, failed = time.process_time(), 0
            for sample in values:
                try:
                    curve_fit(globals()[case["curve"]], u, sample, p0=case["start"], sigma=errors, absolute_sigma=True)
                except RuntimeError:
                    failed += 1
            best = min(best, 1e6 * (time.process_time() - start) / len(values))
        print(f"{case['metric']:<10}{case['curve']:<12}{case['microseconds']:9.2f}{best:10.1f}"
              f"   {best / case['microseconds']:5.0f} x, {failed} of {len(values)} failed in scipy")


if sys.argv[1] == "--table":
    write_table(sys.argv[2], int(sys.argv[3]))
else:
    time_refits(sys.argv[1])
