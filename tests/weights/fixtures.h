#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/weights/model_config.h"

namespace catenary::weights {

inline std::filesystem::path reference(std::string_view name) {
  return std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/weights" / name;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// An empty folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = testing::TempDir() + "weights_test.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// `action` throws a DataError whose message holds every one of `parts`.
template <class Action>
void expect_data_error(Action action, std::vector<std::string> parts) {
  try {
    action();
    ADD_FAILURE() << "no error, expected one with " << testing::PrintToString(parts);
  } catch (const DataError& e) {
    for (const std::string& part : parts) EXPECT_THAT(e.what(), testing::HasSubstr(part));
  }
}

/// `action` works or throws DataError; anything else fails the test.
template <class Action>
void expect_no_worse_than_data_error(Action action) {
  try {
    action();
  } catch (const DataError&) {
  } catch (const std::exception& e) {
    ADD_FAILURE() << "threw something else: " << e.what();
  }
}

/// A copy of a good file, to be damaged in place (which is much faster than writing it anew).
class DamagedFile {
 public:
  DamagedFile(const TemporaryFolder& folder, std::string_view name, std::string good)
      : good_(std::move(good)),
        path_(folder.write(name, good_)),
        file_(path_, std::ios::binary | std::ios::in | std::ios::out) {}

  const std::filesystem::path& path() const { return path_; }
  std::size_t size() const { return good_.size(); }
  void flip(std::size_t i, char bits) { put(i, static_cast<char>(good_[i] ^ bits)); }
  void restore(std::size_t i) { put(i, good_[i]); }

  /// Shortens the file byte by byte down to nothing.
  template <class Use>
  void truncate_at_every_byte(Use use) const {
    for (std::size_t size = good_.size(); size-- > 0;) {
      std::filesystem::resize_file(path_, size);
      use();
    }
  }

 private:
  void put(std::size_t i, char c) { file_.seekp(static_cast<std::streamoff>(i)).put(c).flush(); }

  std::string good_;
  std::filesystem::path path_;
  std::fstream file_;
};

/// Builds the bytes of a file.
class Bytes {
 public:
  template <class T>
  Bytes& number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  Bytes& text(std::string_view text) { return number<std::uint64_t>(text.size()).raw(text); }
  Bytes& pad_to(std::size_t multiple) {
    bytes_.resize((bytes_.size() + multiple - 1) / multiple * multiple);
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

/// A GGUF file written by hand, right or wrong.
struct GgufBuilder {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dimensions;  // innermost first, as on disk
    std::uint32_t type = 0;
    std::uint64_t offset = 0;
  };
  std::vector<std::pair<std::string, std::string>> values;  // key; type and value as on disk
  std::vector<Tensor> tensors;
  std::string data;
  std::uint32_t version = 3;
  std::size_t alignment = 32;

  GgufBuilder& value(std::string key, const Bytes& type_and_value) {
    values.emplace_back(std::move(key), type_and_value.str());
    return *this;
  }
  GgufBuilder& uint32(std::string key, std::uint32_t v) {
    return value(std::move(key), Bytes().number<std::uint32_t>(4).number(v));
  }
  GgufBuilder& float32(std::string key, float v) {
    return value(std::move(key), Bytes().number<std::uint32_t>(6).number(v));
  }
  GgufBuilder& string(std::string key, std::string_view v) {
    return value(std::move(key), Bytes().number<std::uint32_t>(8).text(v));
  }
  /// Appends a tensor after those there are.
  GgufBuilder& tensor(std::string name, std::vector<std::uint64_t> dimensions, std::uint32_t type,
                      std::string_view bytes) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    tensors.push_back({std::move(name), std::move(dimensions), type, data.size()});
    data += bytes;
    return *this;
  }

  std::string build() const {
    Bytes out;
    out.raw("GGUF").number(version).number<std::uint64_t>(tensors.size()).number<std::uint64_t>(values.size());
    for (const auto& [key, value] : values) out.text(key).raw(value);
    for (const Tensor& t : tensors) {
      out.text(t.name).number(static_cast<std::uint32_t>(t.dimensions.size()));
      for (const std::uint64_t size : t.dimensions) out.number(size);
      out.number(t.type).number(t.offset);
    }
    return out.pad_to(alignment).raw(data).str();
  }
};

/// The bytes of a safetensors file.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = "") {
  return Bytes().text(header).raw(data).str();
}

/// The config of a Llama model; what is not given is as in no model.
struct LlamaSizes {
  std::int64_t hidden_size = 0, num_heads = 0, num_kv_heads = 0;
  double theta = 0, eps = 0;
};
inline ModelConfig llama_config(const LlamaSizes& sizes) {
  ModelConfig c;
  c.architecture = "llama";
  c.hidden_size = c.embedding_size = sizes.hidden_size;
  c.num_heads = sizes.num_heads;
  c.num_kv_heads = sizes.num_kv_heads;
  c.head_dim = sizes.hidden_size / sizes.num_heads;
  c.norm = {.kind = NormConfig::Kind::kRms, .eps = sizes.eps};
  c.rope = {.theta = sizes.theta, .dim = c.head_dim};
  c.attention_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  return c;
}

inline std::string bytes_of(std::span<const float> floats) {
  return {reinterpret_cast<const char*>(floats.data()), floats.size_bytes()};
}

}  // namespace catenary::weights
