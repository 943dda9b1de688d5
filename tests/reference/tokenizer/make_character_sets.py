"""Prints src/tokenizer/character_sets.h: what Hugging Face `tokenizers` takes for punctuation, control characters, accents
and digits, and the characters that it knows and the libraries at hand do not, or the other way round. It looks some up
in tables of about Unicode 8, others in tables of Unicode 16 and 17; PCRE2 10.42 knows Unicode 14, utf8proc 2.8 Unicode 15.

    pip install tokenizers==0.23.3                      with Python 3.11, whose own tables are of Unicode 14
    python make_character_sets.py > ../../../src/tokenizer/character_sets.h
"""

import itertools
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(characters):
    """First and last of each run."""
    found = []
    for c in characters:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def class_content(characters):
    return [f"\\x{{{low:X}}}" + (f"-\\x{{{high:X}}}" if high > low else "") for low, high in ranges(characters)]


def joined(parts, width):
    """As few lines as hold them."""
    lines = [""]
    for part in parts:
        if len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def write(name, comment, is_in):
    lines = joined(class_content(c for c in CHARACTERS if is_in(f"a{chr(c)}a")), 104)
    lines[0], lines[-1] = "[" + lines[0], lines[-1] + "]"
    print(f"/// {comment}\ninline constexpr std::string_view {name} =")
    print("\n".join(f'    R"({line})"' for line in lines) + ";\n")


def write_table(name, comment, row_type, rows, size):
    print(f"/// {comment}\ninline constexpr std::array<{row_type}, {size}> {name}{{{{")
    print("\n".join(rows) + "\n}};\n")


def bert(**options):
    return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False,
        "lowercase": False, **options})


def matched(pre_tokenizer, characters):
    """Those that it removes."""
    rest = {c for piece, _ in pre_tokenizer.pre_tokenize_str("".join(map(chr, characters))) for c in map(ord, piece)}
    return [c for c in characters if c not in rest]


def with_property(name, characters):
    return matched(pre_tokenizers.Split(Regex(rf"\p{{{name}}}"), "removed"), characters)


CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
SCRIPTS = """Arabic Armenian Bengali Bopomofo Braille Cherokee Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi
    Han Hangul Hebrew Hiragana Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Oriya Sinhala Syriac Tamil
    Telugu Thaana Thai Tibetan Common Inherited""".split()


def newer_characters():
    """By property, those that were assigned after Unicode 14."""
    unassigned = [c for c in CHARACTERS if unicodedata.category(chr(c)) == "Cn"]
    newer = with_property("Assigned", unassigned)
    found = {name: with_property(name, newer) for name in CATEGORIES + SCRIPTS}
    in_words = [c for c in newer if pre_tokenizers.Whitespace().pre_tokenize_str(f"a{chr(c)}a")[0][0] != "a"]
    letters_marks_digits = {c for name in "Lu Ll Lt Lm Lo Mn Mc Me Nd Pc".split() for c in found[name]}
    assert set(in_words) == letters_marks_digits  # Alphabetic, for which no library has a name, adds none
    return {name: characters for name, characters in found.items() if characters}


def unknown_to_normalization(newer):
    """Those that Unicode 14 decomposes or moves, and tokenizers, whose tables of normal forms are older, takes as they
    are; and all that are newer."""
    def is_known(c):
        character = chr(c)
        texts = [character, f"a\u0345{character}", f"a{character}\u0334"]
        if unicodedata.combining(character):
            return any(normalizers.NFD().normalize_str(text) != text for text in texts)
        return normalizers.NFKD().normalize_str(character) != character

    def matters(c):
        return unicodedata.combining(chr(c)) or unicodedata.decomposition(chr(c))

    unknown = {c for c in CHARACTERS if matters(c) and not is_known(c)}
    # What would be composed: characters that stand second in the decomposition of unknown ones alone.
    pairs = {c: unicodedata.decomposition(chr(c)).split() for c in CHARACTERS}
    seconds = {is_unknown: {int(pair[1], 16) for c, pair in pairs.items() if len(pair) == 2 and pair[0][0] != "<"
               and (c in unknown) == is_unknown} for is_unknown in (True, False)}
    unknown |= seconds[True] - seconds[False]
    return sorted(unknown | set(itertools.chain.from_iterable(newer.values())))


def newer_lowercase():
    for c in CHARACTERS:
        lower = normalizers.Lowercase().normalize_str(chr(c))
        if unicodedata.category(chr(c)) == "Cn" and lower != chr(c):
            yield c, ord(lower)


assert unicodedata.unidata_version == "14.0.0"
newer = newer_characters()
unknown = ranges(unknown_to_normalization(newer))
lower = list(newer_lowercase())
contents = {name: "\n     ".join(f'R"({line})"' for line in joined(class_content(characters), 100))
            for name, characters in newer.items()}

print("""#pragma once

// Made by tests/reference/tokenizer/make_character_sets.py.

#include <array>
#include <string_view>
#include <utility>

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
write("kNumeric", "What Digits takes for a digit.",
      lambda text: len(pre_tokenizers.Digits().pre_tokenize_str(text)) > 1)
write_table("kNewerProperties",
            "Characters that were assigned after Unicode 14, by general category and by script, as parts of a class.",
            "std::pair<std::string_view, std::string_view>",
            [f'    {{"{name}",\n     {content}}},' for name, content in contents.items()], len(contents))
write_table("kNewerCharacters",
            "Characters that were assigned after Unicode 14, or that no normal form of tokenizers changes: first and last of a range.", "std::pair<char32_t, char32_t>",
            ["    " + line for line in joined([f"{{0x{low:X}, 0x{high:X}}}, " for low, high in unknown], 110)], len(unknown))
write_table("kNewerLowercase", "Characters newer than Unicode 14, and their lower case.", "std::pair<char32_t, char32_t>",
            ["    " + line for line in joined([f"{{0x{upper:X}, 0x{to:X}}}, " for upper, to in lower], 110)], len(lower))
print("// clang-format on\n\n}  // namespace catenary::tokenizer")
