#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja_value.h"

namespace catenary::tokenizer::jinja {

/// A Jinja template in the environment of transformers' apply_chat_template: trim_blocks, lstrip_blocks, loop controls,
/// the immutable sandbox, raise_exception, strftime_now, tojson without HTML's escapes, {% generation %}. What it
/// renders is what Jinja renders, or it is refused: when it is parsed where that can be seen, else when it is rendered.
/// Work, memory and nesting are limited, for a template may come from a stranger. Move-only, `render` is thread-safe.
class Template {
 public:
  /// `where` names the source in messages. Throws DataError with the line.
  Template(std::string_view source, std::string where);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  using Variables = std::vector<std::pair<std::string, Value>>;
  /// Throws DataError with the line for whatever goes wrong, raise_exception's text among it.
  std::string render(const Variables& variables, std::chrono::system_clock::time_point now) const;

  /// Does the source use a variable or function of this name?
  bool mentions(std::string_view name) const;

 private:
  std::unique_ptr<Node> root_;
  std::string where_;
};

}  // namespace catenary::tokenizer::jinja
