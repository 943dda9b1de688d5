"""Trains the demo ladder: small Llama-architecture models on the text of corpus.py, written in Hugging Face form.

    python3 train.py                          every size with seed 1, into models/
    python3 train.py --sizes 96 --seed 2 --out /tmp/seed2

Every size sees the same text once, in the same order. Shapes: B sequences in a batch, T tokens in a sequence, D hidden_size,
V vocab_size, H heads.
"""

import argparse
import json
import math
import os
import random
import time

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import corpus

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB_SIZE = -(-len(corpus.vocabulary()) // 8) * 8
MIN_TOKENS = 2_000_000
T, B = 128, 8
WEIGHT_DECAY = 0.05
CONDITIONS = [("zero_shot", 0, False), ("few_shot_3", 3, False), ("few_shot_3_wrong", 3, True)]  # name, k, wrong answers

#        hidden_size: (intermediate_size, layers, heads, key-value heads)
SIZES = {
    12: (32, 1, 2, 2),
    16: (48, 1, 2, 2),
    32: (88, 1, 2, 2),
    48: (128, 2, 3, 3),
    64: (176, 3, 4, 4),
    96: (256, 3, 4, 2),
    192: (512, 4, 6, 2),
}


def config(hidden_size):
    """config.json of one size."""
    intermediate_size, layers, heads, kv_heads = SIZES[hidden_size]
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "vocab_size": VOCAB_SIZE, "hidden_size": hidden_size, "intermediate_size": intermediate_size,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "head_dim": hidden_size // heads, "hidden_act": "silu", "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "attention_bias": False, "mlp_bias": False, "bos_token_id": 0, "eos_token_id": None, "pad_token_id": None,
        "torch_dtype": "bfloat16", "use_cache": True,
    }


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-5)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.q_proj = nn.Linear(c["hidden_size"], self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(c["hidden_size"], self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(c["hidden_size"], self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, c["hidden_size"], bias=False)

    def forward(self, x, rope, mask):
        cos, sin = rope  # [T, head_dim]

        def heads(projection, count):
            return projection(x).view(*x.shape[:2], count, self.head_dim).transpose(1, 2)

        def rotate(z):
            a, b = z.chunk(2, -1)
            return z * cos + torch.cat((-b, a), -1) * sin

        q, k = rotate(heads(self.q_proj, self.heads)), rotate(heads(self.k_proj, self.kv_heads))
        y = F.scaled_dot_product_attention(q, k, heads(self.v_proj, self.kv_heads), attn_mask=mask,
                                           enable_gqa=self.heads != self.kv_heads)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(c["hidden_size"]), RmsNorm(c["hidden_size"])
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, rope, mask):
        x = x + self.self_attn(self.input_layernorm(x), rope, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Parameters carry the names and shapes of Hugging Face's LlamaForCausalLM, less the tied lm_head."""

    def __init__(self, c):
        super().__init__()
        self.config = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = RmsNorm(c["hidden_size"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                into_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, 0, p.shape[1] ** -0.5 * ((2 * c["num_hidden_layers"]) ** -0.5 if into_residual else 1))

    def forward(self, ids, mask):
        """ids [B, T], mask [B, 1, T, T] true where a position may look; returns hidden states [B, T, D]."""
        head_dim = self.config["head_dim"]
        frequency = self.config["rope_theta"] ** (-torch.arange(0, head_dim, 2) / head_dim)
        angle = torch.outer(torch.arange(ids.shape[1]), frequency).repeat(1, 2)
        rope = angle.cos(), angle.sin()
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, rope, mask)
        return self.model.norm(x)

    def logits(self, hidden):
        return hidden @ self.model.embed_tokens.weight.T


def training_rows(documents):
    """Whole documents packed into sequences of T tokens.

    Returns (ids, targets, document), each [N, T] int64. A target of -100 is not learned: after a document's last token, and
    in the empty rest of a row. Tokens look only at tokens of their own `document`, a number within the row.
    """
    rows = [[]]
    for text in documents:
        tokens = corpus.encode(text)
        if len(rows[-1]) + len(tokens) > T:
            rows.append([])
        number = rows[-1][-1][2] + 1 if rows[-1] else 0
        rows[-1] += zip(tokens, tokens[1:] + [-100], [number] * len(tokens))
    return torch.tensor([row + [(0, -100, -1)] * (T - len(row)) for row in rows]).unbind(-1)


def peak_learning_rate(hidden_size):
    """4e-3 for small sizes; falling from hidden_size 50 on, as the largest fails to learn at 4e-3."""
    return min(4e-3, 0.2 / hidden_size)


def train(model, rows, log):
    """One pass over the rows with AdamW: linear warm-up over 5 % of the steps, then linear decay to 5 % of the peak.

    Products in bfloat16, everything else and the weights in float32.
    """
    ids, targets, document = rows
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0}],
                                  lr=peak_learning_rate(model.config["hidden_size"]), betas=(0.9, 0.98), fused=True)
    steps = math.ceil(len(ids) / B)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / (0.05 * steps), 1 - 0.95 * max(0, s / steps - 0.05) / 0.95))
    losses = []
    for step in range(steps):
        batch = slice(step * B, (step + 1) * B)
        mask = (document[batch, :, None] == document[batch, None, :]) & causal
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.logits(model(ids[batch], mask[:, None]))
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets[batch].flatten(), ignore_index=-100)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 500 == 0 or step + 1 == steps:
            log(f"  step {step + 1} of {steps}, loss {sum(losses[-100:]) / len(losses[-100:]):.3f} nats a token")


@torch.no_grad()
def evaluate(model, items, k, wrong=False):
    """Log-odds of the right class against the wrong one for each item after k exemplars, in nats; [num_items] float32.

    With `wrong`, the exemplars carry the wrong answers: what then still helps is their form.

    Every class of the demo is one token, so its log-likelihood is one entry of the log-softmax after the prompt.
    """
    odds = []
    for index, item in enumerate(items):
        prompt = corpus.few_shot(items, index, k, random.Random(f"shots {k} {index}"), wrong)
        ids = torch.tensor([corpus.encode(prompt)])
        mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()[None, None]
        logprobs = model.logits(model(ids, mask)[0, -1]).log_softmax(-1)
        # a class starts with a space, so its id is that of the word within a line
        classes = [logprobs[corpus.encode("the" + name)[-1]] for name in item["classes"]]
        odds.append(classes[item["answer_index"]] - classes[1 - item["answer_index"]])
    return torch.stack(odds)


def save(model, folder):
    os.makedirs(folder, exist_ok=True)

    def write(name, contents):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(contents, file, indent=2, ensure_ascii=False)
            file.write("\n")

    write("config.json", model.config)
    write("tokenizer.json", corpus.tokenizer_json())
    write("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "add_bos_token": True,
                                    "model_max_length": model.config["max_position_embeddings"],
                                    "clean_up_tokenization_spaces": False})
    tensors = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in model.named_parameters()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def model_name(num_parameters):
    return f"demo-{round(num_parameters / 1000)}k"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="hidden sizes to train")
    parser.add_argument("--seed", type=int, default=1, help="of the text's order and of the initial weights")
    parser.add_argument("--out", default=os.path.join(HERE, "models"), help="folder for the model folders")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    def log(line):
        print(line, flush=True)

    world = corpus.World()
    text, num_tokens = corpus.training_text(world, arguments.seed, MIN_TOKENS)
    items = corpus.tasks(world)
    assert not corpus.leaks(text, items)
    rows = training_rows(text)
    log(f"torch {torch.__version__}, {arguments.threads} thread(s), seed {arguments.seed}: "
        f"{len(text)} documents, {num_tokens} tokens, {len(rows[0])} rows of {T}, vocabulary {VOCAB_SIZE}")
    for hidden_size in arguments.sizes:
        torch.manual_seed(arguments.seed)
        model = Llama(config(hidden_size))
        num_parameters = sum(p.numel() for p in model.parameters())
        name = model_name(num_parameters)
        log(f"{name}: {num_parameters} parameters, hidden_size {hidden_size}")
        start = time.time()
        train(model, rows, log)
        log(f"  trained in {time.time() - start:.0f} s")
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.to(torch.bfloat16))  # judge what is stored
        save(model, os.path.join(arguments.out, name))
        for task in items:
            for condition, k, wrong in CONDITIONS:
                odds = evaluate(model, items[task], k, wrong)
                log(json.dumps({"seed": arguments.seed, "model": name, "parameters": num_parameters, "task": task,
                                "condition": condition, "accuracy": round((odds > 0).float().mean().item(), 4),
                                "mean_log_odds": round(odds.mean().item(), 3)}))


if __name__ == "__main__":
    main()
