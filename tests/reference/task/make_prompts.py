"""Writes prompts.json: what a model sees of three items of each format under each condition, made without Catenary.

    pip install jinja2==3.1.6 transformers==5.23.0
    python make_prompts.py

Exemplars are chosen as include/catenary/task/prompt.h says, with the generator mt19937_64 of Nishimura and Matsumoto written anew;
chats are rendered by transformers, with templates of ../chat_template. Text is exact; there is no tolerance. The items are
the *.jsonl files beside this script.
"""

import datetime
import json
import pathlib

from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class July(datetime.datetime):  # the day that every template sees
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 12)


chat_template_utils.datetime = July


def mt19937_64(seed):
    state = [seed & MASK]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & MASK)
    while True:
        for i in range(312):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % 312] & 0x7FFFFFFF)
            state[i] = state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for x in state:
            x ^= (x >> 29) & 0x5555555555555555
            x ^= (x << 17) & 0x71D67FFFEDA60000
            x ^= (x << 37) & 0xFFF7EEE000000000
            yield (x ^ (x >> 43)) & MASK


generator = mt19937_64(5489)
assert [next(generator) for _ in range(2)] == [14514284786278117030, 4620546740167642908]  # as published


def numbered(seed, number):
    return mt19937_64(seed + 0x9E3779B97F4A7C15 * number)


def right_answer(item):
    if "true_answer" in item:
        return f" {item['true_answer']}"
    return item["completion"] if "completion" in item else item["classes"][item["answer_index"]]


def choose(items, index, condition):
    number = index + 1 if condition.get("exemplars") == "per_item" else 0
    generator = numbered(condition.get("seed", 0), number)
    if condition.get("exemplars") == "in_order":
        order = list(range(len(items)))
    else:
        order = []
        while len(order) < len(items):
            candidate = next(generator) % len(items)
            if candidate not in order:
                order.append(candidate)
    order = [i for i in order if items[i]["prompt"] != items[index]["prompt"]]
    k, labels = condition["k"], [item.get("answer_index", 0) for item in items]
    if condition.get("labels") == "same":
        first = next(i for i in order if sum(labels[j] == labels[i] for j in order) >= k)
        order = [i for i in order if labels[i] == labels[first]]
    if condition.get("labels") == "balanced":
        kinds = sorted(set(labels))
        chosen = []
        for i in order:
            counts = [sum(labels[j] == kind for j in chosen + [i]) for kind in kinds]
            floor, extra = divmod(k, len(kinds))
            if max(counts) <= floor + (extra > 0) and (not extra or sum(c > floor for c in counts) <= extra):
                chosen.append(i)
        order = chosen
    return order[:k]


def shown_answer(item, i, condition):
    answer = right_answer(item)
    if condition.get("answers") == "wrong":
        n = len(item["classes"])
        answer = item["classes"][(item["answer_index"] + 1 + next(numbered(condition.get("seed", 0), i + 1)) % (n - 1)) % n]
    if "cot" not in condition["kind"]:
        return answer
    return trigger(condition) + item["rationale"] + " So the answer is" + answer + "."


def trigger(condition):
    return condition.get("trigger", " Let's think step by step.") if "cot" in condition["kind"] else ""


def render(items, index, condition, key, template):
    item = items[index]
    shots = []
    if "few_shot" in condition["kind"]:
        shots = [(items[i]["prompt"], shown_answer(items[i], i, condition)) for i in choose(items, index, condition)]
    if "instruct" not in condition["kind"]:
        text = item.get("preamble", "")
        for prompt, answer in shots:
            text += prompt + answer + condition.get("separator", "\n\n")
        return text + item[key] + trigger(condition)
    messages = [{"role": "system", "content": condition["system"]}] if "system" in condition else []
    for prompt, answer in shots + [(item[key], None)]:
        if not any(m["role"] == "user" for m in messages):
            prompt = item.get("preamble", "") + prompt
        messages.append({"role": "user", "content": prompt})
        if answer is not None:
            messages.append({"role": "assistant", "content": answer.lstrip()})
    source = (HERE.parent / "chat_template/templates" / (template + ".jinja")).read_text()
    texts, _ = chat_template_utils.render_jinja_template(
        [messages], chat_template=source, add_generation_prompt=True, **SPECIAL_TOKENS)
    return texts[0] + trigger(condition).lstrip()


CONDITIONS = [
    {"kind": "zero_shot"},
    {"kind": "few_shot", "k": 3, "seed": 7},
    {"kind": "few_shot", "k": 4, "seed": 11, "exemplars": "per_item", "separator": "\n"},
    {"kind": "few_shot", "k": 2, "exemplars": "in_order"},
    {"kind": "instruct"},
    {"kind": "instruct", "system": "Answer with one word."},
    {"kind": "few_shot+instruct", "k": 2, "seed": 3, "system": "Be brief."},
    {"kind": "cot"},
    {"kind": "cot+instruct", "trigger": " Think first."},
    {"kind": "few_shot+cot", "k": 2, "seed": 1},
    {"kind": "few_shot+cot+instruct", "k": 2, "seed": 1},
]
LABEL_CONDITIONS = [
    {"kind": "few_shot", "k": 4, "seed": 5, "labels": "balanced"},
    {"kind": "few_shot", "k": 3, "seed": 6, "labels": "balanced", "exemplars": "per_item"},
    {"kind": "few_shot", "k": 2, "seed": 7, "labels": "same", "exemplars": "per_item"},
    {"kind": "few_shot", "k": 3, "seed": 8, "answers": "wrong"},
    {"kind": "few_shot+instruct", "k": 2, "seed": 9, "answers": "wrong", "labels": "balanced"},
]
cases = []
for name in ("classification", "sequence_prob", "logodds", "numeric"):
    items = [json.loads(line) for line in (HERE / (name + ".jsonl")).read_text().splitlines()]
    for condition in CONDITIONS + (LABEL_CONDITIONS if name == "classification" else []):
        templates = ["chatml", "llama3", "gemma"] if "instruct" in condition["kind"] else [None]
        for template in templates:
            for index in (0, 3, 6):
                keys = ["prompt", "other_prompt"] if name == "logodds" else ["prompt"]
                cases.append({
                    "task": name, "condition": condition, "template": template, "item": index,
                    "contexts": [render(items, index, condition, key, template) for key in keys]})
(HERE / "prompts.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
print(len(cases), "prompts")
