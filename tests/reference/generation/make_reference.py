"""Makes greedy.json of tests/engine/generator_test.cc with Hugging Face transformers.

    pip install torch==2.11.0 transformers==5.23.0
    python3 make_reference.py

For a model of the demo ladder: prompts and the 24 tokens that `generate` adds greedily in float32, the EOS switched off.
"""

import json
from pathlib import Path

import torch
import transformers as hf

HERE = Path(__file__).parent
DEMO = HERE.parents[2] / "jobs/demo"
MODEL = "demo-360k"

tokenizer = hf.PreTrainedTokenizerFast(tokenizer_file=str(DEMO / "models" / MODEL / "tokenizer.json"))
model = hf.AutoModelForCausalLM.from_pretrained(DEMO / "models" / MODEL, dtype=torch.float32).eval()
lines = []
for task in ("memory-trap", "negation", "recall"):
    for line in (DEMO / "tasks" / f"{task}.jsonl").read_text().splitlines()[:4]:
        prompt = json.loads(line)["prompt"]
        ids = tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            # Without a mask `generate` takes the BOS, whose id is the padding's, for padding.
            out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, min_new_tokens=24, max_new_tokens=24,
                                 eos_token_id=None, pad_token_id=0)
        lines.append({"prompt": prompt, "prompt_ids": ids, "generated": out[0, len(ids):].tolist()})
(HERE / "greedy.json").write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
