"""What it costs to use weights as they lie in the file: products with plain weights beside those laid out for oneDNN.

    pip install torch==2.11.0
    python3 tests/bench/layout_bench.py [THREADS]

1,024 tokens through linear layers of SmolLM2-135M's and of Llama-3.2-1B's shapes; in turns, the best of twelve rounds of six.
"""

import sys
import time

import torch

TOKENS = 1024
SHAPES = {"SmolLM2-135M": [(576, 960), (576, 576), (576, 3072), (1536, 576)],
          "Llama-3.2-1B": [(2048, 3072), (2048, 2048), (2048, 16384), (8192, 2048)]}  # inputs, outputs


def product(x, weight):
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def seconds(layers, kind):
    start = time.perf_counter()
    for layer in layers:
        for _ in range(6):
            product(layer["x"], layer[kind])
    return time.perf_counter() - start


torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
torch.set_grad_enabled(False)
for model, shapes in SHAPES.items():
    for dtype in (torch.float32, torch.bfloat16):
        layers = []
        for inputs, outputs in shapes:
            x, plain = torch.randn(TOKENS, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
            layers.append({"x": x, "plain": plain, "packed": torch.ops.mkldnn._reorder_linear_weight(plain, TOKENS)})
        best = {"plain": float("inf"), "packed": float("inf")}
        for _ in range(12):
            for kind in best:
                best[kind] = min(best[kind], seconds(layers, kind))
        flops = 12 * TOKENS * sum(inputs * outputs for inputs, outputs in shapes)
        plain, packed = flops / best["plain"] / 1e9, flops / best["packed"] / 1e9
        print(f"{model}, {str(dtype).removeprefix('torch.')}: plain {plain:.0f}, packed {packed:.0f} GFLOP/s: {plain / packed:.3f}")
