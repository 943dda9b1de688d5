"""No evaluation item is in the training text, and the committed files are those that corpus.py makes.

    python3 leak_test.py

Needs only the standard library; with the library `tokenizers` it also checks tokenizer.json.
"""

import json
import os
import random
import unittest

import corpus

try:
    import tokenizers
except ImportError:
    tokenizers = None

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 1  # of the committed weights


class LeakTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(HERE, "..", "demo.json")) as file:
            cls.spec = json.load(file)
        cls.training_tokens = cls.spec["models"][0]["training_tokens"]
        world = corpus.World()
        cls.text, cls.num_tokens = corpus.training_text(world, SEED, cls.training_tokens)
        cls.items = corpus.tasks(world)

    def test_training_text_has_the_recorded_length(self):
        self.assertEqual({model["training_tokens"] for model in self.spec["models"]}, {self.num_tokens})
        self.assertEqual(sum(len(corpus.encode(document)) for document in self.text), self.num_tokens)

    def test_no_line_shares_a_key_with_an_item(self):
        self.assertEqual(corpus.leaks(self.text, self.items), [])

    def test_no_item_is_in_the_text(self):
        lines = {line for document in self.text for line in document.splitlines()}
        for task in ("memory-trap", "category", "negation"):
            for item in self.items[task]:
                for answer in item["classes"]:
                    self.assertNotIn(item["prompt"] + answer, lines)

    def test_recall_asks_for_learned_lines(self):
        lines = {line for document in self.text for line in document.splitlines()}
        for item in self.items["recall"]:
            self.assertIn(item["prompt"] + item["classes"][item["answer_index"]], lines)

    def test_a_planted_item_is_found(self):
        for task in ("memory-trap", "category", "negation"):
            item = self.items[task][7]
            text = self.text[:100] + [item["prompt"] + item["classes"][0] + "\n"]
            self.assertIn(item["prompt"], corpus.leaks(text, self.items))

    def test_task_files_are_those_of_the_recipe(self):
        for task, items in self.items.items():
            with open(os.path.join(HERE, "tasks", f"{task}.jsonl")) as file:
                self.assertEqual([json.loads(line) for line in file], items)

    def test_items_are_distinct_and_answers_balanced(self):
        for items in self.items.values():
            self.assertEqual(len({item["prompt"] for item in items}), corpus.NUM_ITEMS)
            self.assertEqual(sum(item["answer_index"] for item in items) * 2, corpus.NUM_ITEMS)
            for item in items:
                self.assertNotEqual(*item["classes"])

    @unittest.skipIf(tokenizers is None, "needs the library tokenizers")
    def test_every_word_is_one_token(self):
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(corpus.tokenizer_json()))
        texts = list(dict.fromkeys(self.text))
        for items in self.items.values():
            for i, item in enumerate(items):
                texts += [item["prompt"] + answer for answer in item["classes"]]
                texts.append(corpus.few_shot(items, i, 3, random.Random(i)))
        for text, encoding in zip(texts, tokenizer.encode_batch(texts)):
            self.assertEqual(encoding.ids, corpus.encode(text))
            self.assertEqual(tokenizer.decode(encoding.ids), text)
        for model in self.spec["models"]:
            with open(os.path.join(HERE, "..", model["path"], "tokenizer.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file), corpus.tokenizer_json())


if __name__ == "__main__":
    unittest.main()
