"""Makes reasoning.json of tests/cli/generated_text_test.py with Hugging Face transformers.

    pip install torch==2.11.0 transformers==5.23.0 gguf==0.17.1
    python3 make_reasoning.py SmolLM2-135M-Instruct.Q4_1.gguf

What SmolLM2-135M writes greedily in float32 (`generate`), and what it then makes of the classes. Prompts are put together
here from the items of ../task, apart from Catenary's own code: docs/tasks.md says how.
"""

import json
import sys
from pathlib import Path

import torch
import transformers as hf

HERE = Path(__file__).parent
TRIGGER, CUE, NUM_REASONING, NUM_ANSWER = " Let's think step by step.", " So the answer is", 40, 32
path = Path(sys.argv[1])
tokenizer = hf.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
model = hf.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
END = tokenizer.convert_tokens_to_ids("<|im_end|>")


def read(name):
    return [json.loads(line) for line in (HERE.parent / "task" / f"{name}.jsonl").read_text().splitlines()]


def write(prompt, count, stops):
    """Text up to the first stop, as `generate` gives it, and the number of tokens until then."""
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count, eos_token_id=END, pad_token_id=END)
    new = out[0, ids.shape[1]:].tolist()
    if END in new:
        new = new[:new.index(END)]
    text = tokenizer.decode(new)
    return text[:min([text.index(stop) for stop in stops if stop in text], default=len(text))]


def score(context, classes):
    context_ids = tokenizer(context, add_special_tokens=False)["input_ids"]
    totals = []
    for text in classes:
        ids = tokenizer(context + text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logprobs = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
        totals.append(sum(logprobs[i - 1, ids[i]].item() for i in range(len(context_ids), len(ids))))
    return totals


def exemplar(item):
    return item["prompt"] + TRIGGER + item["rationale"] + CUE + item["classes"][item["answer_index"]] + "."


def chat(text):
    return (f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")


items = read("classification")
cases = []


def add(task, index, condition, prompt, stops, classes):
    reasoning = write(prompt, NUM_REASONING, [*stops, CUE.strip()]).rstrip()
    case = {"task": task, "item": index, "condition": condition, "prompt": prompt, "texts": [reasoning]}
    if classes:
        case["class_logprobs"] = score(prompt + reasoning + CUE, classes)
    else:
        case["texts"].append(write(prompt + reasoning + CUE, NUM_ANSWER, ["\n"]))
    cases.append(case)


COT = {"kind": "cot", "generation": {"max_new_tokens": NUM_REASONING}}
FEW = {**COT, "kind": "few_shot+cot", "k": 2, "exemplars": "in_order"}
CHAT = {**COT, "kind": "cot+instruct", "system": "Be brief."}
STOP = {**COT, "generation": {"max_new_tokens": NUM_REASONING, "stop": [" a", "\n\n"]}}
for index, item in enumerate(items[:4]):
    text = item["preamble"] + item["prompt"]
    shots = [other for other in items if other["prompt"] != item["prompt"]][:2]
    add("classification", index, COT, text + TRIGGER, [], item["classes"])
    add("classification", index, FEW, item["preamble"] + "".join(exemplar(s) + "\n\n" for s in shots) + item["prompt"] + TRIGGER,
        ["\n\n"], item["classes"])
    add("classification", index, CHAT, chat(text) + TRIGGER.strip(), [], item["classes"])
    add("classification", index, STOP, text + TRIGGER, [" a", "\n\n"], item["classes"])
for index, item in enumerate(read("numeric")):
    cases.append({"task": "numeric", "item": index, "condition": {"kind": "zero_shot"}, "prompt": item["prompt"],
                  "texts": [write(item["prompt"], NUM_ANSWER, ["\n"])]})
    if index < 3:
        add("numeric", index, COT, item["prompt"] + TRIGGER, [], None)
(HERE / "reasoning.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
