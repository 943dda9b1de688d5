"""Makes the reference files of tests/weights with the packages that define the formats.

    pip install numpy gguf==0.19.0 safetensors==0.8.0
    python3 make_reference.py [SmolLM2-135M-Instruct.Q4_1.gguf]

blocks.gguf         for every encoding E a tensor E of random valid blocks, and E.expected, what gguf makes of them
plain.safetensors   0, 1, 2, … (times -0.25) as F32, F16 and BF16
tiny.gguf, tiny/    one Llama model of random weights in both containers; the folder holds what the GGUF's blocks decode to
smollm2_sums.txt    of tensors of the real model, as Hugging Face orders them: sum, and sum of w[i] * (i % 1009)
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import safetensors
import safetensors.numpy
from gguf import GGMLQuantizationType as Type

HERE = Path(__file__).parent
RNG = np.random.default_rng(20261122)


def bf16_bytes(x):
    return gguf.quants.quantize(x.astype(np.float32), Type.BF16)


def add_tensor(writer, name, stored, type):
    plain = type in (Type.F32, Type.F16)
    writer.add_tensor(name, stored, raw_dtype=None if plain else type)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_halves(n):
    """Finite halves of both signs, subnormal ones among them."""
    return RNG.choice(np.array([1e-7, -3e-5, 0.0013, -0.02, 0.5, -1.75, 60.0], np.float16), n)


def make_blocks():
    # bytes of a block that are halves, by encoding
    halves = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2],
              Type.Q5_K: [0, 2], Type.Q6_K: [208]}
    writer = gguf.GGUFWriter(HERE / "blocks.gguf", "none")
    for type in (Type.F32, Type.F16, Type.BF16):
        x = RNG.standard_normal((3, 10)).astype(np.float32)
        stored = bf16_bytes(x) if type == Type.BF16 else x.astype(np.float16 if type == Type.F16 else np.float32)
        add_tensor(writer, type.name, stored, type)
        writer.add_tensor(type.name + ".expected", gguf.quants.dequantize(stored, type))
    for type, places in halves.items():
        elements, size = gguf.GGML_QUANT_SIZES[type]
        blocks = RNG.integers(0, 256, (6 if elements == 32 else 3, size), dtype=np.uint8)
        for place in places:
            blocks[:, place:place + 2] = random_halves(len(blocks)).view(np.uint8).reshape(-1, 2)
        add_tensor(writer, type.name, blocks, type)
        writer.add_tensor(type.name + ".expected", gguf.quants.dequantize(blocks, type))
    finish(writer)


def make_plain():
    x = (np.arange(6, dtype=np.float32) * -0.25).reshape(2, 3)
    arrays = {"f32": ("float32", x), "f16": ("float16", x.astype(np.float16)), "bf16": ("bfloat16", bf16_bytes(x))}
    specs = {name: safetensors.TensorSpec(dtype=dtype, shape=[2, 3], data_ptr=array.ctypes.data, data_len=array.nbytes)
             for name, (dtype, array) in arrays.items()}
    safetensors.serialize_file(specs, HERE / "plain.safetensors", {"made": "by safetensors"})


def permute(w, heads):
    """LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def unpermute(w, heads):
    return w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def make_tiny():
    layers, hidden, mlp, heads, kv_heads, head_dim, vocab = 2, 32, 32, 4, 2, 8, 40
    writer = gguf.GGUFWriter(HERE / "tiny.gguf", "llama")
    writer.add_block_count(layers)
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(mlp)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(50000.0)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocab)
    writer.add_token_list([f"token {i}" for i in range(vocab)])
    writer.add_token_types([1] * vocab)
    writer.add_token_scores([-float(i) for i in range(vocab)])
    writer.add_add_bos_token(False)
    folder = {}

    def add(name, gguf_name, shape, type, interleaved_heads=0):
        w = (RNG.standard_normal(shape) * 0.1).astype(np.float32)
        if interleaved_heads:
            w = permute(w, interleaved_heads)
        stored = gguf.quants.quantize(w, type)
        add_tensor(writer, gguf_name + ".weight", stored, type)
        decoded = gguf.quants.dequantize(stored, type).reshape(shape)
        folder[name + ".weight"] = unpermute(decoded, interleaved_heads) if interleaved_heads else decoded

    add("model.embed_tokens", "token_embd", (vocab, hidden), Type.Q8_0)
    for i in range(layers):
        q, other = ((Type.Q4_1, Type.Q5_1), (Type.F16, Type.Q4_0))[i]
        hf, blk = f"model.layers.{i}.", f"blk.{i}."
        add(hf + "input_layernorm", blk + "attn_norm", (hidden,), Type.F32)
        add(hf + "self_attn.q_proj", blk + "attn_q", (heads * head_dim, hidden), q, heads)
        add(hf + "self_attn.k_proj", blk + "attn_k", (kv_heads * head_dim, hidden), other, kv_heads)
        add(hf + "self_attn.v_proj", blk + "attn_v", (kv_heads * head_dim, hidden), Type.BF16)
        add(hf + "self_attn.o_proj", blk + "attn_output", (hidden, heads * head_dim), q)
        add(hf + "post_attention_layernorm", blk + "ffn_norm", (hidden,), Type.F32)
        add(hf + "mlp.gate_proj", blk + "ffn_gate", (mlp, hidden), other)
        add(hf + "mlp.up_proj", blk + "ffn_up", (mlp, hidden), Type.Q5_0)
        add(hf + "mlp.down_proj", blk + "ffn_down", (hidden, mlp), q)
    add("model.norm", "output_norm", (hidden,), Type.F32)
    add("lm_head", "output", (vocab, hidden), Type.F16)
    finish(writer)

    (HERE / "tiny").mkdir(exist_ok=True)
    safetensors.numpy.save_file({name: np.ascontiguousarray(w) for name, w in folder.items()},
                                HERE / "tiny" / "model.safetensors", {"format": "pt"})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": mlp,
              "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
              "vocab_size": vocab, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "hidden_act": "silu",
              "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"}, "tie_word_embeddings": False,
              "attention_bias": False, "mlp_bias": False, "torch_dtype": "float32"}
    (HERE / "tiny" / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def make_sums(path):
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "blk.0.attn_q": "model.layers.0.self_attn.q_proj",
             "blk.0.attn_k": "model.layers.0.self_attn.k_proj", "blk.17.attn_q": "model.layers.17.self_attn.q_proj",
             "blk.29.attn_v": "model.layers.29.self_attn.v_proj", "blk.12.ffn_down": "model.layers.12.mlp.down_proj",
             "blk.3.attn_norm": "model.layers.3.input_layernorm"}
    lines = []
    for tensor in gguf.GGUFReader(path).tensors:
        name = names.get(tensor.name.removesuffix(".weight"))
        if name is None:
            continue
        w = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if "attn_q" in tensor.name or "attn_k" in tensor.name:
            w = unpermute(w, 9 if "attn_q" in tensor.name else 3)
        w = w.ravel().astype(np.float64)
        lines.append(f"{name}.weight {w.sum():.17g} {(w * (np.arange(w.size) % 1009)).sum():.17g}\n")
    (HERE / "smollm2_sums.txt").write_text("".join(sorted(lines)))


make_blocks()
make_plain()
make_tiny()
if len(sys.argv) > 1:
    make_sums(sys.argv[1])
