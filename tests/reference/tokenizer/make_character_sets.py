"""Prints src/tokenizer/character_sets.h: the characters that Hugging Face `tokenizers` takes for punctuation, control
characters and accents. It looks them up in tables of about Unicode 8, which no library at hand has.

    pip install tokenizers==0.23.3
    python make_character_sets.py > ../../../src/tokenizer/character_sets.h
"""

from tokenizers import normalizers, pre_tokenizers

CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(is_in):
    found = []
    for c in CHARACTERS:
        if is_in(f"a{chr(c)}a"):
            if found and found[-1][1] == c - 1:
                found[-1][1] = c
            else:
                found.append([c, c])
    return found


def write(name, comment, is_in):
    parts = [f"\\x{{{low:X}}}" + (f"-\\x{{{high:X}}}" if high > low else "") for low, high in ranges(is_in)]
    lines = [""]
    for part in parts:
        if len(lines[-1]) + len(part) > 104:
            lines.append("")
        lines[-1] += part
    lines[0], lines[-1] = "[" + lines[0], lines[-1] + "]"
    print(f"/// {comment}\ninline constexpr std::string_view {name} =")
    print("\n".join(f'    R"({line})"' for line in lines) + ";\n")


def bert(**options):
    return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False,
        "lowercase": False, **options})


print("""#pragma once

// Made by tests/reference/tokenizer/make_character_sets.py.

#include <string_view>

namespace catenary::tokenizer {

// clang-format off
""")
write("kPunctuation", "What Punctuation and BertPreTokenizer take for punctuation.",
      lambda text: len(pre_tokenizers.Punctuation().pre_tokenize_str(text)) > 1)
write("kControl", "What BertNormalizer's clean_text removes.", lambda text: bert(clean_text=True).normalize_str(text) == "aa")
write("kNonspacingMark", "What BertNormalizer's strip_accents removes after NFD.",
      lambda text: bert(strip_accents=True).normalize_str(text) == "aa")
write("kCombiningMark", "What StripAccents removes.",
      lambda text: normalizers.StripAccents().normalize_str(text) == "aa")
print("// clang-format on\n\n}  // namespace catenary::tokenizer")
