"""`catenary models` as a user runs it. Expected numbers are those that transformers and torch count (tests/reference/model)."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = SOURCE / "tests" / "reference"
DEMO = SOURCE / "jobs" / "demo" / "models" / "demo-13k"
CATENARY = pathlib.Path(os.environ.get("CATENARY_BIN", SOURCE / "build" / "bin")) / "catenary"


def run(*args, program=CATENARY):
    return subprocess.run([program, "models", *map(str, args)], capture_output=True, text=True, cwd="/")


def inspect(*args):
    result = run("inspect", "--json", *args)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class InspectTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="catenary-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def checkpoint(self, **files):
        """A tiny Llama with a tokenizer, and files with the given content."""
        model = self.folder / "model"
        shutil.copytree(REFERENCE / "model" / "llama", model)
        shutil.copy(REFERENCE / "tokenizer" / "llama2" / "tokenizer.json", model)
        for name, content in files.items():
            (model / name.replace("__", ".")).write_text(content)
        return model

    def test_numbers_are_those_of_transformers_and_torch(self):
        costs = json.loads((REFERENCE / "model" / "costs.json").read_text())
        for name, expected in costs["models"].items():
            with self.subTest(name):
                found = inspect(REFERENCE / "model" / name, "--context", costs["length"])
                self.assertEqual(found["num_parameters"], expected["num_parameters"])
                self.assertEqual(found["num_embedding_parameters"], expected["num_embedding_parameters"])
                flops = found["forward_flops_per_token"]
                self.assertEqual(costs["length"] * (flops["layers"] + flops["logits"] + flops["attention"]), expected["forward_flops"])
                whole = found["per_rank"][0]
                self.assertEqual(whole["tensor_parallel_size"], 1)
                self.assertEqual(whole["weights_float32_bytes"], 4 * expected["num_parameters"])
                self.assertEqual(sum(found["num_parameters_by_encoding"].values()), expected["num_parameters"])
                self.assertEqual(found["size_bytes"], (REFERENCE / "model" / name / "model.safetensors").stat().st_size)

    def test_a_mixture_of_experts_has_active_parameters(self):
        found = inspect(REFERENCE / "model" / "mixtral")
        # Of 4 experts 2, each three matrices of 32 by 24, in 2 layers.
        self.assertEqual(found["num_parameters"] - found["num_active_parameters"], 2 * 2 * 3 * 32 * 24)
        self.assertEqual((found["num_experts"], found["num_experts_per_token"]), (4, 2))
        self.assertRegex(run("inspect", REFERENCE / "model" / "mixtral").stdout, r"active parameters +19360 .*\nexperts +2 of 4 a token")

    def test_tensor_parallel_sizes_are_those_that_the_heads_allow(self):
        config = json.loads((REFERENCE / "model" / "llama" / "config.json").read_text())
        self.assertEqual((config["num_attention_heads"], config["num_key_value_heads"]), (4, 2))
        ranks = inspect(REFERENCE / "model" / "llama")["per_rank"]
        self.assertEqual([rank["tensor_parallel_size"] for rank in ranks], [1, 2, 4])
        # Keys and values of 2 layers, heads of 8 elements in bfloat16; four ranks share two heads.
        self.assertEqual([rank["kv_per_token_bfloat16_bytes"] for rank in ranks], [2 * 2 * 8 * 2 * heads for heads in (2, 1, 1)])

    def test_tokenizer_and_chat_template_are_described(self):
        template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        model = self.checkpoint(chat_template__jinja=template, tokenizer_config__json='{"bos_token": "<s>", "eos_token": "</s>"}')
        found = inspect(model)
        self.assertEqual(found["tokenizer"]["kind"], "BPE with byte fallback")
        self.assertEqual(found["tokenizer"]["bos"], {"id": 1, "text": "<s>", "is_added": True})
        self.assertEqual(found["tokenizer"]["eos"]["text"], "</s>")
        self.assertFalse(found["tokenizer"]["eos"]["is_added"])
        self.assertEqual(found["chat_template"], {"where": str(model / "chat_template.jinja"), "takes_system_message": True, "uses_clock": False})
        text = run("inspect", model).stdout
        self.assertRegex(text, r"tokenizer +BPE with byte fallback, \d+ tokens; BOS <s> \(1, added to texts\), EOS </s> \(2\); from tokenizer.json")
        self.assertRegex(text, r"chat template +renders; from /")

    def test_a_template_that_refuses_system_messages_is_told(self):
        template = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}"
        model = self.checkpoint(chat_template__jinja=template, tokenizer_config__json="{}")
        self.assertFalse(inspect(model)["chat_template"]["takes_system_message"])
        self.assertIn("renders, without a system message", run("inspect", model).stdout)

    def test_what_is_not_supported_is_a_finding_and_the_rest_is_shown(self):
        model = self.checkpoint(chat_template__jinja="{% include 'x' %}", tokenizer_config__json="{}", tokenizer__json="[]")
        result = run("inspect", model)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"tokenizer +not read: .*tokenizer.json")
        self.assertRegex(result.stdout, r"chat template +not read: .*chat_template.jinja")
        self.assertRegex(result.stdout, r"parameters +17568 ")
        self.assertIn("include", inspect(model)["chat_template"]["error"])

    def test_a_gguf_file_is_read_too(self):
        found = inspect(REFERENCE / "weights" / "tiny.gguf")
        folder = inspect(REFERENCE / "weights" / "tiny")
        self.assertEqual((found["format"], folder["format"]), ("gguf", "safetensors"))
        for key in ("num_parameters", "num_layers", "forward_flops_per_token", "per_rank"):
            self.assertEqual(found[key], folder[key])

    def test_mistakes_are_told(self):
        for args, text in ((["inspect", self.folder / "gone"], "no such file or folder"), (["inspect", self.folder], "no config.json"),
                           (["inspect", DEMO, "--context", "0"], "expected a whole number of at least 1"), ([], "no command is named; expected one of")):
            result = run(*args)
            self.assertEqual(result.returncode, 2)
            self.assertIn(text, result.stderr)


class ListTest(unittest.TestCase):
    def test_a_ladder_is_listed_with_figures_and_source(self):
        result = run("list", "pythia-deduped")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"EleutherAI/pythia-12b-deduped +11.8B +11.3B +- +300B +2.1e\+22")
        self.assertIn("arXiv:2304.01373", result.stdout)
        self.assertNotIn("EleutherAI/pythia-12b ", result.stdout)

    def test_json_holds_what_is_known_and_null(self):
        ladders = json.loads(run("list", "--json").stdout)["ladders"]
        self.assertGreater(len(ladders), 30)
        models = {model["base"]: model for ladder in ladders for model in ladder["models"] if model["base"]}
        self.assertIsNone(models["openai-community/gpt2"]["training_tokens"])
        self.assertIsNone(models["openai-community/gpt2"]["training_flops"])
        self.assertEqual(models["Qwen/Qwen2.5-7B"]["instruct"], "Qwen/Qwen2.5-7B-Instruct")
        self.assertEqual(models["Qwen/Qwen2.5-7B"]["training_flops"], 6 * 7.61e9 * 18e12)
        mixture = models["allenai/OLMoE-1B-7B-0924"]
        self.assertEqual(mixture["training_flops"], 6 * mixture["num_active_parameters"] * mixture["training_tokens"])

    def test_a_part_of_a_name_filters_whatever_its_case(self):
        ladders = json.loads(run("list", "SmolLM2", "--json").stdout)["ladders"]
        self.assertEqual([ladder["ladder"] for ladder in ladders], ["smollm2"])
        ladders = json.loads(run("list", "qwen2.5-72b", "--json").stdout)["ladders"]
        self.assertEqual([model["base"] for ladder in ladders for model in ladder["models"]], ["Qwen/Qwen2.5-72B"])
        self.assertEqual(run("list", "no-such-model").returncode, 2)

    def test_the_program_alone_is_enough(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(CATENARY, folder)
            self.assertEqual(run("list", program=program).stdout, run("list").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
