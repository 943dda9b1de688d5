"""Makes the reference encodings of this folder with Hugging Face `tokenizers`.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 tiktoken==0.14.0
    python make_reference.py [FOLDER] [--random N]

Writes texts.json, and for each tokenizer NAME/tokenizer.json (NAME/tokenizer_config.json for one) and NAME/ids.json: for
each text its ids without and with special tokens. Ids are exact; there is no tolerance. Seeded,
    so the same version of the
package writes the same files.
"""

import argparse
import base64
import collections
import io
import json
import pathlib
import random

import sentencepiece
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
          r"\s+(?!\S)|\s")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't care. It's what they'd do: they'll sleep, we've seen.",
    "Question: which one is not a bird, robin or hammer?\nA. robin\nB. hammer\nAnswer: B\n\nQuestion: what is 12 + 345 - 6789?",
    "for (int i = 0; i < 10; ++i) {\n    total += values[i];\n\tcount++;\n}  // the end   of    the     loop\r\n\r\n",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Où est le café où l'on dîne près de la forêt ?",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ。天地玄黄,宇宙洪荒。日月盈昃,辰宿列張。 다람쥐 헌 쳇바퀴에 타고파",
    "صِف خَلقَ خَودٍ كَمِثلِ الشَمسِ إِذ بَزَغَت דג סקרן שט בים מאוכזב ולפתע מצא חברה नमस्ते दुनिया ๑๒๓ สวัสดี",
    "One two three four five six seven eight nine ten; once upon a time there was the other thing that is in the house.",
]

AWKWARD = [
    "", " ", "  ", "\n", "\t", "\r\n", "a", " a", "a ", "é", "e\u0301", "Å A\u030a \u212b",
    "q\u0307\u0323 q\u0323\u0307", "가 \u1100\u1161 각\u11a8",
    "\u0958 \u2126 \ufb01 \uf900", "cafe\u0301 café CAFE\u0301", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 1️⃣", "天地玄黄,宇宙洪荒。",
    "いろは ﾊﾝｶｸ", "שָׁלוֹם עולם", "مرحبا بالعالم ١٢٣٤٥",
    "\u202eabc\u202c \u2066x\u2069", "     five spaces", "trailing   ", "a\n\n\nb", "a \n \n b", "\n \n",
    " \t \t x", "\r", "a\rb\r\nc\n\rd", "\x0b\x0c",
    "1", "12", "123", "1234", "12345678901", "3.14159", "१२३४ ๑๒๓ ٣٤٥٦ Ⅷ ½ ²³ ① 〇 𝟘𝟙𝟚", "1st 2nd x1y2z3",
    "it's I'm you're we've they'll he'd don't",
    "IT'S I'M YOU'RE WE'VE THEY'LL HE'D DON'T", "'s's 's 'S 'ſ 'ß 'ﬆ '\u212a", "it’s I’m", "''''",
    "!!! ... ??? --- ___ ***", "a.b,c;d:e",
    "\x00", "a\x00b", "\x01\x02\x7f", "\u0080\u0085\u00a0", "a\u0085b \u0085 c", "a\u180eb \u180e c",
    "\ufeffBOM \ufeff in it", "\u200b\u200c\u200d\u2060", "\u2028\u2029",
    "\u1680\u2000\u2001\u202f\u205f\u3000x", "\ufffd \ufffe \uffff \U0010ffff", "\U0001f600\U00020000\U000e0001",
    "<|endoftext|>", "a<|endoftext|>b",
    " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|endoftext", "|endoftext|>",
    "<|im_start|>user\nhi<|im_end|>\n", "<|begin|>x<|end|>",
    "<mask>", "a <mask> b", "a<mask>b", "a  \t<mask>\n b", "<mask><mask>  <mask>", "\u3000<mask>\u00a0\u0301",
    "word", " word ", "wordy sword word.", "words word\u0301 _word word_ word-word \u200dword",
    "left", "x   left   y", "x\u0085left\u180eleft", "right", "x   right   y", "right right left left", "<a>",
    "<a><b>", "<a><a><b><b>", "<a", "x<a>  <a><b>  y", "both both  both\nboth",
    "x    y        z", "caf\u00e9tok cafe\u0301tok", "tok\u00e9", "toke\u0301 \u212bngstrom", "aaa-bbb--ccc---",
    "-", "--", "the-the the- -the", "e" * 200, "a" * 333, " " * 300, "ab " * 60, "\n" * 99,
    "the" * 50, "e\u0301" * 40, "0" * 100, "!" * 77, "Question: " * 12,
    "for (int i = 0; i < 10; ++i) {\n    total += values[i];\n\tcount++;\n}\r\n",
    # Assigned in Unicode 15 to 17, or missing in tokenizers' tables of normal forms (U+1FBF8, U+11938, U+32FF).
    "pink heart \U0001fa77!? \U0001fae8\U0001faf8 \U0001fada", "\U00031350\U0002ebf0天 x\U0001e030y", "\U0001e4f0\U0001e4f1 12\U00016ff4\U00011de0",
    "\u1c89\ua7cb\ua7dc \U00010d50\U00016ea0", "\U0001fbf8\u32ff \ua7f2 \U00011938 \U00011935\U00011930",
    "a\U0001e4ec\u0323\u0301 e\U0001e08f\u0301 o\u1ace\u0301", "\U00010efd\u0897 \U00011f02\U00011f34",
]

ALPHABET = (
    list("aaabcdeeefghiiijklmnooopqrstttuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") + list("0123456789") * 2
    + list("     \n\n\t\r.,;:!?'\"-_()[]{}<>|/\\@#$%&*+=~^`")
    + "'s 't 're 've 'm 'll 'd the and ing ion er on in at word left right both".split()
    + "<a> <b> <mask> <|endoftext|> <|im_start|> Question Answer robin hammer".split()
    + ["  ", "   ", " the", " a", " is", "e\u0301", "\u0301", "\u0323", "\u212b", "\u1100", "\u1161", "\u11a8", "é",
       "ß", "ſ", "İ", "ы", "Ж", "ψ", "ש", "م", "ع", "न", "म", "ि", "天", "地", "い", "ろ", "가",
       "🙂", "👩", "\u200d", "\ufe0f", "🏽", "٣", "१", "๑", "Ⅷ", "½", "²", "𝟘", "\x00", "\x1c", "\x85", "\xa0",
       "\xad", "\u1680", "\u180e", "\u2003", "\u2028", "\u200b", "\u3000", "\ufeff", "\ufffd", "’"])


def random_texts(seed, count, longest):
    rng = random.Random(seed)
    return ["".join(rng.choices(ALPHABET, k=rng.randint(1, longest))) for _ in range(count)]


def train(pre_tokenizer, vocab_size, special_tokens=(), normalizer=None, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=list(special_tokens), show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), min_frequency=1)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **options})


def gpt2():
    tokenizer = train(byte_level(), 600, ["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def digits():
    steps = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])
    return train(steps, 500, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def llama3():
    steps = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(use_regex=False)])
    tokenizer = train(steps, 600, ignore_merges=True)
    # Tokens that no merge leads to, so that ignore_merges matters.
    description = json.loads(tokenizer.to_str())
    for token in ["ĠQuestion", "123", "hammer", "Ġrobin"]:
        description["model"]["vocab"].setdefault(token, len(description["model"]["vocab"]))
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    bos = tokenizer.token_to_id("<|begin|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B",
            special_tokens=[("<|begin|>", bos)]),
    ])
    return tokenizer


def nfc():
    steps = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), byte_level(use_regex=False)])
    tokenizer = train(steps, 500, normalizer=normalizers.Sequence([normalizers.NFC()]))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.add_tokens([AddedToken("cafe\u0301tok", normalized=True), AddedToken("toke\u0301", normalized=False)])
    return tokenizer


def added():
    tokenizer = train(byte_level(add_prefix_space=True), 500)
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>", AddedToken("<mask>", lstrip=True, rstrip=True,
        special=True), "<a>", "<a><b>"])
    tokenizer.add_tokens([
        AddedToken("word", single_word=True, normalized=False), AddedToken("left", lstrip=True, normalized=True),
        AddedToken("right", rstrip=True, normalized=True), AddedToken("both", lstrip=True, rstrip=True,
            single_word=True, normalized=True),
        AddedToken("    ", normalized=True), AddedToken("  ", normalized=False), AddedToken("the", normalized=True),
            "天地",
    ])
    bos, eos = (tokenizer.token_to_id(token) for token in ("<|begin|>", "<|end|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> <|begin|> $A <|end|>", pair="$A $B", special_tokens=[("<|begin|>", bos), ("<|end|>", eos)])
    return tokenizer


def words():
    known = sorted({"Ġ" * (i > 0) + word for line in CORPUS[:2] + CORPUS[7:] for i, word in enumerate(line.split())})
    vocab = {token: i for i, token in enumerate(["<unk>", "<|endoftext|>", "Ġ", "Ċ", *"aeinrst.,", *known])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = byte_level()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def holes():
    vocab = {token: i for i, token in enumerate([*"abcdet ", "Ġ", "he", "the", "Ġthe", "ab", "abc", "bc", "cab"])}
    merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c"), ("c", "ab")]
    vocab.update({"h": len(vocab), "aa": len(vocab) + 1})
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges + [("h", "e"), ("t", "he"), ("a", "a")]))
    tokenizer.pre_tokenizer = byte_level(use_regex=False)
    return tokenizer


def splits(*steps):
    tokenizer = train(byte_level(), 400)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level(use_regex=False)])
    return tokenizer


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def sentencepiece_bpe(user_defined=()):
    """Vocabulary and merges as transformers' converter makes them of a SentencePiece model: every way to make a token of
    two others is a merge; the token of the lower id first, whitespace that the user defined before all others."""
    counts = collections.Counter("▁".join(CORPUS))
    alphabet = sorted(counts, key=lambda char: (-counts[char], char))[:110]  # the trainer's own choice is not repeatable
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=560, show_progress=False, initial_alphabet=alphabet, limit_alphabet=len(alphabet),
        special_tokens=["<unk>", "<s>", "</s>", *BYTES, *user_defined], min_frequency=1))
    vocab = trained.get_vocab()
    merges = []
    for token, id in sorted(vocab.items(), key=lambda item: item[1]):
        splits = [(token[:i], token[i:]) for i in range(1, len(token)) if id > 2 and token not in BYTES]
        merges += sorted((pair for pair in splits if pair[0] in vocab and pair[1] in vocab),
                         key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
        special_tokens=[("<s>", 1)])
    return tokenizer


def llama2():
    tokenizer = sentencepiece_bpe()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def mistral():
    tokenizer = sentencepiece_bpe()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return tokenizer


def gemma():
    spaces, newlines = ["▁" * n for n in range(2, 9)], ["\n" * n for n in range(1, 6)]
    tokenizer = sentencepiece_bpe([*newlines, *spaces])
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in (*newlines, *spaces)])
    return tokenizer


def few_bytes():
    """Some bytes have no token, so the unknown token is needed; each piece by itself, and always with a space."""
    tokenizer = sentencepiece_bpe()
    description = json.loads(tokenizer.to_str())
    model = description["model"]
    for byte in range(0xA0, 0xC0):
        model["vocab"][f"<<{byte}>>"] = model["vocab"].pop(f"<0x{byte:02X}>")
    model["fuse_unk"] = False
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.add_tokens([AddedToken("left", lstrip=True, normalized=True), AddedToken("right", normalized=True)])
    return tokenizer


TOKENIZERS = {
    "gpt2": gpt2, "digits": digits, "llama3": llama3, "nfc": nfc, "added": added, "words": words, "holes": holes,
    "split_removed": lambda: splits(
        pre_tokenizers.Split("-", "removed"), pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex(r"\s+"), "merged_with_previous"), pre_tokenizers.Split(Regex(r"^t|e$|[.]"),
            "isolated")),
    "split_merged": lambda: splits(
        pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.Split(Regex(r"[\p{L}\p{M}]+"), "contiguous",
            invert=True),
        pre_tokenizers.Split(Regex(r"(?<=o)n|o(?=n)|x*|\p{Han}"), "merged_with_next", invert=True)),
}

def falcon():
    tokenizer = train(byte_level(), 440)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), byte_level(),
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")])
    return tokenizer


def bloom():
    pattern = Regex(r" ?[^(\s|[.,!?…。，、।۔،])]+")
    return train(pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "isolated"), byte_level(use_regex=False)]), 440)


def roberta():
    tokenizer = train(byte_level(add_prefix_space=True), 440, ["<s>", "</s>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def bert():
    words = sorted({word for line in CORPUS for word in line.lower().split()})
    letters = sorted({letter for line in CORPUS[:4] for letter in line.lower() if letter != " "})
    tokens = [*letters, *("##" + letter for letter in letters), *(word[:4] for word in words[::2]),
              *("##" + word[-3:] for word in words[::3])]
    vocab = {token: i for i, token in enumerate(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *tokens]))}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def strips():
    tokenizer = bert()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip(),
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(),
        pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.CharDelimiterSplit("e")])
    return tokenizer


def unigram(byte_fallback=False):
    # The scores are made up: longer tokens are likelier; no two ways to write a word have the same sum.
    words = sorted({"▁" + word[:i] for line in CORPUS for word in line.split() for i in range(5)})[::3]
    letters = sorted({letter for line in CORPUS[:5] for letter in line})
    bytes_ = BYTES if byte_fallback else []
    vocab = [("<unk>", 0.0), ("</s>", 0.0), *((token, 0.0) for token in bytes_)]
    rng = random.Random(5)
    vocab += [(token, -12 + len(token) + rng.random()) for token in dict.fromkeys([*words, *letters, "er", "qu", "the"])]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=byte_fallback))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A $B", special_tokens=[("</s>", 1)])
    return tokenizer


def t5():
    tokenizer = unigram()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return tokenizer


def unigram_bytes():
    tokenizer = unigram(byte_fallback=True)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    return tokenizer


FEWER_TEXTS = 132  # for these
NEWER = (llama2, mistral, gemma, few_bytes, falcon, bloom, roberta, bert, strips, t5, unigram_bytes)
TOKENIZERS |= {make.__name__: make for make in NEWER}


def sentencepiece_model():
    """A model of SentencePiece, to be compared with SentencePiece itself."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=model, model_type="bpe",
        vocab_size=500, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.98, num_threads=1, minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return model.getvalue(), lambda text: [processor.bos_id(), *processor.encode(text)]


def tiktoken_ranks():
    """The tokens of gpt2 above as ranks, to be compared with tiktoken."""
    bytes_of = {char: byte for byte, char in enumerate(byte_chars())}
    tokens = [token for token in json.loads(gpt2().to_str())["model"]["vocab"] if "endoftext" not in token][:500]
    ranks = {bytes(bytes_of[char] for char in token): rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("cl100k_base", pat_str=CL100K, mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": len(ranks) + 1})
    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items()]
    return b"".join(lines), lambda text: encoding.encode(text, allowed_special="all")


def byte_chars():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--random", type=int, default=300, help="random texts")
    parser.add_argument("--longest", type=int, default=14, help="parts of the longest random text")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    def write(path, value):
        path = args.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")

    texts = AWKWARD + random_texts(args.seed, args.random, args.longest)
    write("texts.json", texts)
    for name, make in {"spm/tokenizer.model": sentencepiece_model, "ranks/cl100k_base.tiktoken": tiktoken_ranks}.items():
        file, encode = make()
        path = args.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        # SentencePiece itself does not know special tokens, and drops U+0000.
        known = [text for text in texts[:FEWER_TEXTS] if "\0" not in text]
        write(f"{path.parent.name}/texts.json", known)
        write(f"{path.parent.name}/ids.json", [encode(text) for text in known])
    for name, make in TOKENIZERS.items():
        tokenizer = make()
        description = json.loads(tokenizer.to_str())
        if name in ("digits", "added"):  # the older way to write merges
            description["model"]["merges"] = [" ".join(pair) for pair in description["model"]["merges"]]
        write(f"{name}/tokenizer.json", description)
        if name == "added":
            write(f"{name}/tokenizer_config.json", {"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>",
                "lstrip": False}})
        known = texts[:FEWER_TEXTS] if TOKENIZERS[name] in NEWER else texts
        plain = [encoding.ids for encoding in tokenizer.encode_batch(known, add_special_tokens=False)]
        special = [tokenizer.encode(text).ids for text in texts[:20]]
        write(f"{name}/ids.json", {"plain": plain, "with_special_tokens": special})


if __name__ == "__main__":
    main()
