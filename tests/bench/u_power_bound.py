#!/usr/bin/env python3
"""How often any test can find a U of 10 points on 6 sizes with 500 items each, other items for each size.

    python3 u_power_bound.py            needs numpy

A test that calls a monotone truth U-shaped in 5 % at most does so for the monotone curves nearest to the U as well, in
whatever mixture. The most powerful test of the U, centre and depth known, against a mixture is the likelihood ratio
(Neyman and Pearson), so its power is a bound for every test. With scatter, the monotone curves' models lie about the
curve with a standard deviation of that many errors of their items, which no test can know; the U's models do not.
"""
import numpy as np

SIZES, ITEMS, STUDIES = 6, 500, 1_000_000
x = np.linspace(-1, 1, SIZES)
accuracy = 0.4 + 0.1 * x**2
error = np.sqrt(0.44 * 0.56 / ITEMS)
# The isotonic regression of the U pools the four smallest sizes.
rising = np.concatenate([np.full(4, accuracy[:4].mean()), accuracy[4:]])
u, nearest = accuracy / error, (rising / error, rising[::-1] / error)
rng = np.random.default_rng(1)


def log_likelihood(values, mean, scatter):
    variance = 1 + scatter**2
    return -((values - mean) ** 2).sum(1) / (2 * variance) - SIZES / 2 * np.log(variance)


def power(share_with_scatter, scatter):
    shares = ((1 - share_with_scatter, 0), (share_with_scatter, scatter))
    parts = [(share / 2, mean, s) for mean in nearest for share, s in shares if share]

    def ratio(values):
        return log_likelihood(values, u, 0) - np.log(sum(w * np.exp(log_likelihood(values, m, s)) for w, m, s in parts))

    null = np.concatenate(
        [ratio(m + np.sqrt(1 + s**2) * rng.normal(size=(int(w * STUDIES), SIZES))) for w, m, s in parts])
    return (ratio(u + rng.normal(size=(STUDIES, SIZES))) > np.quantile(null, 0.95)).mean()


print(f"without scatter: at most {100 * power(0, 0):.1f} %")
for scatter in (0.7, 1, 1.4):
    print(f"scatter {scatter}: at most {100 * min(power(share, scatter) for share in (0.7, 0.8, 0.9, 1)):.1f} %")
