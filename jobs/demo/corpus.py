"""The demo's text: a small invented world, the training documents and the evaluation items made from it.

Everything is plain lines of words with single spaces between them, so one word is one token. The world holds

- proverbs, each a fixed line:            the old fox fears the market and the bread
- things in twelve categories:            the robin is a bird
- questions about two things:             which one is not a bird , robin or hammer ? answer : hammer
- instructions to end a line with a word: write a line that ends with " bell " : the red king mends the gate and the bell

An instruction over an ordinary line is always followed in the training text. An instruction over a proverb mostly is not: the
proverb is quoted as everybody knows it. That is what the memory trap measures. Only in a list of instructions, a document of
several lines, they are followed over proverbs too.

Needs only the standard library. `python3 corpus.py` writes tasks/*.jsonl.
"""

import json
import os
import random

ADJECTIVES = """old red cold wise slow tall blind proud warm thin loud poor brave young dark soft
    quick lazy wet grey sharp rich plain lame kind fat calm bold meek sour shy stern""".split()
NOUNS = """fox king baker miller sailor widow tailor monk goat smith hunter judge farmer wolf queen potter
    thief hen mule bishop cook weaver clerk beggar drummer mason shepherd nurse ferryman gardener piper scribe""".split()
VERBS = "fears keeps finds sells loves steals hides breaks wants mends counts drops paints guards follows blames".split()
PLACES = """market river winter harvest autumn church summer bridge morning tavern midnight forest garden harbour
    village orchard""".split()
ENDINGS = """bread silk door rope bell honey knife candle wagon salt ladder mirror barrel feather kettle anchor button
    lantern shovel basket pepper ribbon saddle needle oven apple drum glove ring shoe cup flag wool coat key boat pipe
    nail stone coin""".split()
CATEGORIES = {
    "bird": "robin finch eagle raven swan stork owl lark crow duck wren heron".split(),
    "tool": "hammer chisel saw drill wrench spade axe rake trowel clamp pliers sickle".split(),
    "fruit": "pear plum cherry mango grape lemon fig melon peach apricot quince orange".split(),
    "fish": "trout salmon carp pike cod tuna eel herring sole haddock mullet sardine".split(),
    "tree": "oak maple pine birch elm cedar willow ash larch alder poplar beech".split(),
    "metal": "iron copper zinc lead tin nickel gold cobalt brass steel chrome silver".split(),
    "bug": "ant bee wasp moth beetle gnat flea hornet cricket locust termite mosquito".split(),
    "cloth": "linen cotton velvet satin denim tweed felt lace muslin canvas flannel corduroy".split(),
    "herb": "mint sage basil thyme parsley dill fennel chive rosemary tarragon borage lovage".split(),
    "gem": "ruby pearl emerald opal topaz garnet jade amber diamond sapphire onyx agate".split(),
    "flower": "rose lily tulip daisy iris violet poppy orchid peony lupin marigold dahlia".split(),
    "dance": "waltz tango polka jig reel samba rumba minuet gavotte foxtrot mazurka bolero".split(),
}
# a question sets one of each against the other
OPPOSITE = [("bird", "tool"), ("fruit", "fish"), ("tree", "metal"), ("bug", "cloth"), ("herb", "gem"), ("flower", "dance")]
FRAME_WORDS = 'write a line that ends with " : the and one is not , or ? answer'.split()
LINE_STARTS = ["the", "write", "which"]  # words that also occur without a space before them

NUM_PROVERBS = 600
NUM_ITEMS = 300          # per task
HELD_OUT_WORDS = 8       # per proverb: words that its instructions never name in training
HELD_OUT_PAIRS = 0.35    # share of the pairs of things that no training question contains
WORLD_SEED = 1           # the world and the task files; the training seed does not touch them

# Share of each kind among the documents, and within a kind how often it is followed or negated.
MIXTURE = {
    "proverb": 0.29,           # a proverb, plain
    "ordinary": 0.30,          # an instruction over an ordinary line, always followed
    "quoted": 0.21,            # an instruction over a proverb
    "quoted_several": 0.06,    # 2 to 4 of these, all followed
    "fact": 0.06,              # the robin is a bird
    "question": 0.06,
    "question_several": 0.02,  # 2 to 4 of these, all with "not" or none
}
QUOTED_FOLLOWED = 0.02
QUESTION_NEGATED = 0.06
QUESTION_SEVERAL_NEGATED = 0.08


class World:
    """What the text is about. Attributes:
    proverbs        list of (opening, ending): ("the old fox fears the market", "bread")
    held_out_words  per proverb, words (as a sorted list) kept for evaluation
    free_pairs      (adjective, noun) that open no proverb, used for ordinary lines
    train_pairs, held_out_pairs   lists of (thing, thing) of opposite categories
    category        thing -> its category
    """

    def __init__(self, seed=WORLD_SEED):
        rng = random.Random(seed)
        openings = [(a, n) for a in ADJECTIVES for n in NOUNS]
        rng.shuffle(openings)
        self.free_pairs = openings[NUM_PROVERBS:]
        self.proverbs = [(f"the {a} {n} {rng.choice(VERBS)} the {rng.choice(PLACES)}", rng.choice(ENDINGS))
                         for a, n in openings[:NUM_PROVERBS]]
        self.held_out_words = [sorted(rng.sample([w for w in ENDINGS if w != ending], HELD_OUT_WORDS))
                               for _, ending in self.proverbs]
        self.category = {thing: category for category, members in CATEGORIES.items() for thing in members}
        pairs = [(x, y) for c, d in OPPOSITE for x in CATEGORIES[c] for y in CATEGORIES[d]]
        rng.shuffle(pairs)
        num_held_out = int(HELD_OUT_PAIRS * len(pairs))
        self.held_out_pairs, self.train_pairs = pairs[:num_held_out], pairs[num_held_out:]


def instruction(opening, word):
    """The prompt of an instruction; its last word follows after a space."""
    return f'write a line that ends with " {word} " : {opening} and the'


def question(category, asked, other, negated, asked_first):
    """The prompt of a question. `asked` is of the category, so it is the answer, and with "not" the answer is `other`."""
    first, second = (asked, other) if asked_first else (other, asked)
    return f"which one is {'not ' if negated else ''}a {category} , {first} or {second} ? answer :"


def documents(world, seed):
    """Yields training documents for ever: strings of one to four lines, each ending with a newline."""
    rng = random.Random(f"documents {seed}")
    facts = list(world.category.items())

    def quoted(followed):
        index = rng.randrange(NUM_PROVERBS)
        opening, ending = world.proverbs[index]
        word = rng.choice([w for w in ENDINGS if w != ending and w not in world.held_out_words[index]])
        return f"{instruction(opening, word)} {word if followed else ending}\n"

    def asked(negated):
        pair = rng.choice(world.train_pairs)
        if rng.random() < 0.5:
            pair = pair[::-1]
        prompt = question(world.category[pair[0]], *pair, negated, rng.random() < 0.5)
        return f"{prompt} {pair[1 if negated else 0]}\n"

    while True:
        kind = rng.choices(list(MIXTURE), MIXTURE.values())[0]
        if kind == "proverb":
            opening, ending = rng.choice(world.proverbs)
            yield f"{opening} and the {ending}\n"
        elif kind == "ordinary":
            adjective, noun = rng.choice(world.free_pairs)
            word = rng.choice(ENDINGS)
            yield f"{instruction(f'the {adjective} {noun} {rng.choice(VERBS)} the {rng.choice(PLACES)}', word)} {word}\n"
        elif kind == "quoted":
            yield quoted(rng.random() < QUOTED_FOLLOWED)
        elif kind == "quoted_several":
            yield "".join(quoted(True) for _ in range(rng.randint(2, 4)))
        elif kind == "fact":
            thing, category = rng.choice(facts)
            yield f"the {thing} is a {category}\n"
        elif kind == "question":
            yield asked(rng.random() < QUESTION_NEGATED)
        elif kind == "question_several":
            negated = rng.random() < QUESTION_SEVERAL_NEGATED
            yield "".join(asked(negated) for _ in range(rng.randint(2, 4)))


def num_tokens(document):
    """Tokens of a document: <s>, its words, and one for each newline."""
    return 1 + len(document.split()) + document.count("\n")


def training_text(world, seed, min_tokens):
    """The whole training text: (list of documents, exact number of tokens); stops at the first count >= min_tokens."""
    text, count = [], 0
    for document in documents(world, seed):
        text.append(document)
        count += num_tokens(document)
        if count >= min_tokens:
            return text, count


def tasks(world):
    """Evaluation items: {task: list of {"prompt", "classes", "answer_index"}}, right answers half and half in each place.

    memory-trap and recall use the same proverbs and the same two classes; so do category and negation the same pairs.
    """
    rng = random.Random("tasks")
    items = {"memory-trap": [], "recall": [], "category": [], "negation": []}

    def add(task, prompt, right, wrong):
        items[task].append({"prompt": prompt, "classes": [f" {right}", f" {wrong}"], "answer_index": 0})

    for index in rng.sample(range(NUM_PROVERBS), NUM_ITEMS):
        opening, ending = world.proverbs[index]
        word = rng.choice(world.held_out_words[index])
        add("memory-trap", instruction(opening, word), word, ending)
        add("recall", f"{opening} and the", ending, word)
    for pair in world.held_out_pairs[:NUM_ITEMS // 2]:
        for asked, other in (pair, pair[::-1]):
            category, asked_first = world.category[asked], rng.random() < 0.5
            add("category", question(category, asked, other, False, asked_first), asked, other)
            add("negation", question(category, asked, other, True, asked_first), other, asked)
    for task in items.values():
        rng.shuffle(task)
        for i, item in enumerate(task):
            if i % 2:
                item["classes"].reverse()
                item["answer_index"] = 1
        rng.shuffle(task)
    return items


def few_shot(items, index, k, rng, wrong=False):
    """The prompt of items[index] after k other items of the task with their right answers, or with the wrong ones."""
    others = rng.sample([i for i in range(len(items)) if i != index], k)
    shots = [items[i]["prompt"] + items[i]["classes"][items[i]["answer_index"] ^ wrong] + "\n" for i in others]
    return "".join(shots) + items[index]["prompt"]


def line_key(line):
    """What a line must not share with an evaluation item, or None: for an instruction (opening, word), for a question the
    unordered pair of things."""
    if line.startswith("write"):
        words = line.split()
        return " ".join(words[10:15]), words[7]
    if line.startswith("which"):
        first, second = line.split(" , ")[1].split(" ? ")[0].split(" or ")
        return frozenset((first, second))
    return None


def leaks(text, items):
    """Evaluation prompts whose key (see line_key) some line of the text has. Recall has none: it asks for what was learned."""
    seen = {line_key(line) for document in text for line in document.splitlines()} - {None}
    return [item["prompt"] for task in items.values() for item in task if line_key(item["prompt"]) in seen]


def byte_alphabet():
    """The characters that stand for the bytes 0 to 255 in a byte-level vocabulary, in this order (GPT-2; Radford et al., 2019):
    those that print in Latin-1 for themselves, the others in turn from U+0100 on."""
    prints = [*range(ord("!"), ord("~") + 1), *range(ord("\u00a1"), ord("\u00ac") + 1), *range(ord("\u00ae"), ord("\u00ff") + 1)]
    others = [byte for byte in range(256) if byte not in prints]
    return [chr(byte) if byte in prints else chr(256 + others.index(byte)) for byte in range(256)]


def vocabulary():
    """Token strings in the byte-level alphabet (Ġ is a space, Ċ a newline); the position is the id. With a token for each byte
    any text can be encoded, though the training text has words of this world alone."""
    words = [*FRAME_WORDS, *ADJECTIVES, *NOUNS, *VERBS, *PLACES, *ENDINGS, *CATEGORIES,
             *(thing for members in CATEGORIES.values() for thing in members)]
    tokens = ["<s>", *byte_alphabet(), *LINE_STARTS, *("Ġ" + word for word in words)]
    assert len(set(tokens)) == len(tokens)
    return tokens


TOKEN_IDS = {token: i for i, token in enumerate(vocabulary())}


def tokenizer_json():
    """The contents of tokenizer.json: a byte-level BPE without merges, in which every word is a token of its own."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
        },
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": TOKEN_IDS, "merges": []},
    }


def encode(text):
    """Token ids of a text of this corpus, <s> first; the same as tokenizer.json gives, without needing the library."""
    out = [0]
    for line in text.splitlines(keepends=True):
        for i, word in enumerate(line.split()):
            out.append(TOKEN_IDS[("Ġ" if i else "") + word])
        if line.endswith("\n"):
            out.append(TOKEN_IDS["Ċ"])
    return out


if __name__ == "__main__":
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tasks")
    os.makedirs(folder, exist_ok=True)
    for name, items in tasks(World()).items():
        with open(os.path.join(folder, f"{name}.jsonl"), "w") as file:
            file.writelines(json.dumps(item) + "\n" for item in items)
