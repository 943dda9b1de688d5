#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {

/// Cuts a text into the pieces that the model tokenizes one by one.
class PreTokenizer {
 public:
  using Sink = std::function<void(std::string_view piece)>;

  /// Throws DataError for a pattern that is not supported.
  explicit PreTokenizer(std::span<const PreTokenizerStep> steps);

  /// Calls `sink` with each piece in order; none is empty. A piece is valid during the call. `is_start`: the text is
  /// the very start of the input.
  void split(std::string_view text, bool is_start, const Sink& sink) const { run(0, text, is_start, sink); }

 private:
  struct Split {
    Regex regex;
    SplitBehavior behavior;
    bool invert;
  };

  void run(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const;
  void run_split(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const;
  void run_metaspace(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const;

  std::vector<std::variant<Split, PrefixSpaceStep, MetaspaceStep, ByteCharsStep>> steps_;
  bool has_byte_chars_ = false;
};

}  // namespace catenary::tokenizer
