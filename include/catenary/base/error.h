#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace catenary {

/// Everything Catenary throws on purpose. The message is complete: it names the file, key, dataset or rank, says what
/// was found and what was expected, and is shown to the user as it is.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The command line or the sweep spec is wrong (exit code 2).
class SpecError : public Error {
  using Error::Error;
};

/// A task file, checkpoint or tokenizer is missing, malformed or not supported.
class DataError : public Error {
  using Error::Error;
};

/// The store cannot be read or written.
class StoreError : public Error {
  using Error::Error;
};

/// Communication between ranks failed.
class CommError : public Error {
  using Error::Error;
};

/// Collects every problem of a file so that the user sees all of them at once.
class Problems {
 public:
  void add(std::string problem) { problems_.push_back(std::move(problem)); }
  bool empty() const { return problems_.empty(); }
  const std::vector<std::string>& list() const { return problems_; }

  /// Throws `ErrorType` with one problem a line (the first `kMaxShown`, then how many more); does nothing if there are
  /// none.
  template <class ErrorType>
  void throw_if_any() const {
    if (!problems_.empty()) throw ErrorType(text());
  }

 private:
  static constexpr std::size_t kMaxShown = 20;
  std::string text() const;
  std::vector<std::string> problems_;
};

}  // namespace catenary
