"""Writes reference.jsonl: what Hugging Face transformers gives for the first items of every task.

Float32, eager attention, one sequence at a time, no exemplars. Prompt and class are encoded as one text and split at the
length of the encoded prompt. A line: {"model", "task", "item", "class_logprobs" (nats, summed over the class's tokens),
"n_tokens"}.
"""

import json
import os

import tokenizers
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
NUM_ITEMS = 10


@torch.no_grad()
def class_logprobs(model, tokenizer, prompt, answer):
    """(log-likelihood of `answer` after `prompt` in nats, its number of tokens)."""
    ids = tokenizer.encode(prompt + answer).ids
    start = len(tokenizer.encode(prompt).ids)
    logprobs = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)  # [tokens, vocab_size]
    return sum(logprobs[i - 1, ids[i]].item() for i in range(start, len(ids))), len(ids) - start


def main():
    torch.set_num_threads(1)
    with open(os.path.join(HERE, "..", "demo.json")) as file:
        spec = json.load(file)
    with open(os.path.join(HERE, "reference.jsonl"), "w") as out:
        for entry in spec["models"]:
            folder = os.path.join(HERE, "..", entry["path"])
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager").eval()
            tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            for task in spec["tasks"]:
                with open(os.path.join(HERE, "..", task["path"])) as file:
                    items = [json.loads(line) for line in file][:NUM_ITEMS]
                for i, item in enumerate(items):
                    scores = [class_logprobs(model, tokenizer, item["prompt"], answer) for answer in item["classes"]]
                    out.write(json.dumps({"model": entry["name"], "task": task["name"], "item": i,
                                          "class_logprobs": [score for score, _ in scores],
                                          "n_tokens": [count for _, count in scores]}) + "\n")


if __name__ == "__main__":
    main()
