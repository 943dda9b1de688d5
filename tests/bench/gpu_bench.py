"""Scores made-up requests with a Llama of random weights: how much of a GPU the engine uses, and what a peer does.

    cmake --build build --target gpu_bench
    python3 tests/bench/gpu_bench.py build/bin/gpu_bench FOLDER [--size tiny|1b|3b|8b] [--dtype bfloat16]
        [--device auto|cuda|cpu] [--items 512] [--rounds 4] [--peak-tflops 989] [--batch-sizes 16 64 256]

FOLDER gets the model (2.5 GB for 1b, 16 GB for 8b; kept for the next run) and the requests:

    drawn   nothing shared: 186 tokens an item, two continuations of one token each
    fixed   a header of 1,024 tokens for all, then 28 of the item's own, two continuations of one token each
    long    16 times 1,024 tokens, two continuations of one token each

Ours runs twice, weights resident and, for drawn, streamed from the host. The peer is transformers as lm-evaluation-harness
uses it: padded batches at the best of the batch sizes, logits of all positions, log-softmax; one pass an item. Without
torch and transformers the peer is left out. The first round of each warms up; the best of the others counts. Model FLOPs
are those of distinct tokens as src/weights/cost.cc counts them; utilization is of --peak-tflops (989: dense bfloat16 of
an H100 or H200). For ours and the peer the log-likelihoods of the first four items are compared.
"""

import argparse
import json
import os
import random
import subprocess
import time
from pathlib import Path

import numpy

SIZES = {  # hidden, layers, heads, key-value heads, head, intermediate, vocabulary, tied
    "tiny": (256, 4, 8, 2, 32, 768, 4096, True),
    "1b": (2048, 16, 32, 8, 64, 8192, 128256, True),
    "3b": (3072, 28, 24, 8, 128, 8192, 128256, True),
    "8b": (4096, 32, 32, 8, 128, 14336, 128256, False),
}


def make_model(folder, size):
    hidden, layers, heads, kv_heads, head, intermediate, vocabulary, tied = SIZES[size]
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": hidden,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head,
        "intermediate_size": intermediate, "vocab_size": vocabulary, "tie_word_embeddings": tied,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "torch_dtype": "bfloat16",
        "attention_bias": False, "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,)}
    if not tied:
        tensors["lm_head.weight"] = (vocabulary, hidden)
    for i in range(layers):
        layer = f"model.layers.{i}."
        tensors[layer + "input_layernorm.weight"] = tensors[layer + "post_attention_layernorm.weight"] = (hidden,)
        tensors[layer + "self_attn.q_proj.weight"] = (heads * head, hidden)
        tensors[layer + "self_attn.k_proj.weight"] = tensors[layer + "self_attn.v_proj.weight"] = (kv_heads * head, hidden)
        tensors[layer + "self_attn.o_proj.weight"] = (hidden, heads * head)
        tensors[layer + "mlp.gate_proj.weight"] = tensors[layer + "mlp.up_proj.weight"] = (intermediate, hidden)
        tensors[layer + "mlp.down_proj.weight"] = (hidden, intermediate)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        end = offset + 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    # Normally distributed, the same few million numbers again and again, beginning elsewhere for each tensor.
    draw = numpy.random.default_rng(1)
    block = (draw.standard_normal(1 << 24, dtype=numpy.float32) * 0.02).view(numpy.uint32) >> 16
    block = block.astype(numpy.uint16)
    partial = folder / "model.partial"
    with open(partial, "wb") as file:
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in tensors.values():
            left = int(numpy.prod(shape))
            if len(shape) == 1:
                file.write(numpy.full(left, 0x3F80, numpy.uint16).tobytes())  # 1
                continue
            at = int(draw.integers(block.size))
            while left > 0:
                piece = block[at : at + left]
                file.write(piece.tobytes())
                left -= piece.size
                at = 0
    partial.rename(folder / "model.safetensors")


def make_requests(kind, items, vocabulary):
    draw = random.Random(kind)
    tokens = lambda count: [draw.randrange(2, vocabulary) for _ in range(count)]
    header = tokens(1024) if kind == "fixed" else []
    if kind == "long":
        items = 16
    own = {"drawn": 186, "fixed": 28, "long": 1024}[kind]
    return [{"context": header + tokens(own), "continuations": [tokens(1), tokens(1)]} for _ in range(items)]


def run_ours(args, model, requests, placement):
    command = [args.program, model, requests, args.dtype, args.device, placement, str(args.rounds)]
    run = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    run["best"] = min(run["seconds"][1:] or run["seconds"])
    return run


class Peer:
    """None of its methods is called where it cannot be made."""

    def __init__(self, model, dtype, device):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        from transformers import AutoModelForCausalLM

        self.torch = torch
        available = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = available if device == "auto" else device
        self.model = AutoModelForCausalLM.from_pretrained(str(model), dtype=getattr(torch, dtype)).to(self.device).eval()

    def score(self, requests, batch_size):
        """Continuations of one token: one pass an item, as lm-evaluation-harness does it."""
        torch, scores = self.torch, []
        requests = sorted(requests, key=lambda r: -len(r["context"]))
        with torch.inference_mode():
            for first in range(0, len(requests), batch_size):
                batch = requests[first : first + batch_size]
                longest = max(len(r["context"]) for r in batch)
                ids = torch.zeros((len(batch), longest), dtype=torch.long)
                for row, request in enumerate(batch):
                    ids[row, : len(request["context"])] = torch.tensor(request["context"])
                logits = torch.log_softmax(self.model(ids.to(self.device)).logits.float(), dim=-1)
                for row, request in enumerate(batch):
                    last = logits[row, len(request["context"]) - 1]
                    scores.append([last[c[0]].item() for c in request["continuations"]])
        return scores

    def time(self, requests, batch_size, rounds):
        best = float("inf")
        for round in range(rounds):
            start = time.perf_counter()
            scores = self.score(requests, batch_size)
            if round > 0 or rounds == 1:
                best = min(best, time.perf_counter() - start)
        return best, scores

    def best_time(self, requests, batch_sizes, rounds):
        times = []
        for size in batch_sizes:
            try:
                times.append((*self.time(requests, size, rounds), size))
            except self.torch.OutOfMemoryError:
                self.torch.cuda.empty_cache()
        return min(times, key=lambda t: t[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1b")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--items", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--peak-tflops", type=float, default=989)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--no-peer", action="store_true")
    args = parser.parse_args()

    model = args.folder / args.size
    if not (model / "model.safetensors").exists():
        make_model(model, args.size)
    files = {}
    for kind in ("drawn", "fixed", "long"):
        files[kind] = args.folder / f"{args.size}-{kind}.jsonl"
        requests = make_requests(kind, args.items, SIZES[args.size][6])
        files[kind].write_text("".join(json.dumps(request) + "\n" for request in requests))

    runs = {(kind, "resident"): run_ours(args, model, files[kind], "resident") for kind in files}
    runs["drawn", "streamed"] = run_ours(args, model, files["drawn"], "streamed")
    print(f"{args.size}, {args.dtype}, {runs['drawn', 'resident']['device']}")
    print("| requests | weights | items/s | tokens/s | distinct tokens/s | TFLOP/s | utilization | peer, items/s (batch) | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    peer = None
    if not args.no_peer:
        try:
            peer = Peer(model, args.dtype, args.device)
        except ImportError as error:
            print(f"no peer: {error}")
    for (kind, placement), run in runs.items():
        tflops = run["flops"] / run["best"] / 1e12
        row = [kind, placement, f"{run['items'] / run['best']:.1f}", f"{run['tokens'] / run['best']:.0f}",
               f"{run['tokens_fed'] / run['best']:.0f}", f"{tflops:.2f}", f"{tflops / args.peak_tflops:.1%}"]
        if peer and placement == "resident":
            requests = [json.loads(line) for line in files[kind].read_text().splitlines()]
            seconds, theirs, size = peer.best_time(requests, args.batch_sizes, min(args.rounds, 2))
            run["difference"] = max(abs(a - b) for ours, them in zip(run["log_likelihoods"], theirs) for a, b in zip(ours, them))
            row += [f"{len(requests) / seconds:.1f} ({size})", f"{seconds / run['best']:.1f}"]
        else:
            row += ["", ""]
        print("| " + " | ".join(row) + " |", flush=True)
    for (kind, placement), run in runs.items():
        if "difference" in run:
            print(f"{kind}: log-likelihoods of the first items differ from the peer's by {run['difference']:.1e} nats at most")
    resident, streamed = runs["drawn", "resident"], runs["drawn", "streamed"]
    print(f"streamed: {resident['best'] / streamed['best']:.0%} of the resident speed; the same scores: "
          f"{resident['log_likelihoods'] == streamed['log_likelihoods']}")


if __name__ == "__main__":
    main()
