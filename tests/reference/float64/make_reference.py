"""Makes log_likelihoods.json of tests/cli/tensor_parallel_test.py with Hugging Face transformers.

    pip install torch==2.11.0 transformers==5.23.0
    python3 make_reference.py

Two models of the demo ladder in float64: how far float32, on one rank or several, is from what it rounds. Transformers takes
RMS norms in float32 whatever the model's dtype, so the norm is written out here; cosines and sines of positions stay its own.
Prompts are put together here, apart from Catenary's own code: docs/tasks.md says how.
"""

import json
from pathlib import Path

import torch
import transformers as hf
from transformers.models.llama.modeling_llama import LlamaRMSNorm

HERE = Path(__file__).parent
DEMO = HERE.parents[2] / "jobs/demo"
MODELS, TASKS, NUM_ITEMS, K = ("demo-360k", "demo-1685k"), ("negation", "recall"), 150, 3


def rms_norm(self, x):
    return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)


LlamaRMSNorm.forward = rms_norm


def exemplars(items, i):
    """The first K items that are not item i, each with its answer."""
    others = [item for j, item in enumerate(items) if j != i][:K]
    return "".join(item["prompt"] + item["classes"][item["answer_index"]] + "\n" for item in others)


expected = {}
for name in MODELS:
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_file=str(DEMO / "models" / name / "tokenizer.json"))
    model = hf.AutoModelForCausalLM.from_pretrained(DEMO / "models" / name, dtype=torch.float64).eval()
    expected[name] = {}
    for task in TASKS:
        items = [json.loads(line) for line in (DEMO / "tasks" / f"{task}.jsonl").read_text().splitlines()]
        for condition in ("zero_shot", "few_shot_3"):
            values = expected[name][f"{task} x {condition}"] = []
            for i, item in enumerate(items[:NUM_ITEMS]):
                context = (exemplars(items, i) if condition == "few_shot_3" else "") + item["prompt"]
                begin = len(tokenizer(context)["input_ids"])
                for text in item["classes"]:
                    ids = torch.tensor([tokenizer(context + text)["input_ids"]])
                    with torch.no_grad():
                        log_p = model(ids[:, :-1]).logits[0].log_softmax(-1)
                    value = sum(log_p[t - 1, ids[0, t]].item() for t in range(begin, ids.shape[1]))
                    values.append(round(value, 9))
(HERE / "log_likelihoods.json").write_text(json.dumps(expected).replace('"negation', '\n "negation').replace('"recall', '\n "recall') + "\n")
