#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {

/// `text` with `content` for every `pattern`, which is not empty.
std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content);

/// Rewrites a text before it is cut into pieces.
class Normalizer {
 public:
  /// Throws DataError for a pattern that is not supported.
  explicit Normalizer(std::span<const NormalizerStep> steps);

  bool empty() const { return steps_.empty(); }
  std::string operator()(std::string_view text) const;

 private:
  struct Replace {
    ReplaceStep step;
    Regex regex;
  };

  std::vector<std::variant<Replace, UnicodeForm, PrependStep, LowercaseStep>> steps_;
};

}  // namespace catenary::tokenizer
