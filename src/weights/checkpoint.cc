#include "catenary/weights/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/weights/safetensors.h"
#include "weights/json_file.h"
#include "weights/layout.h"
#include "weights/llama_tensors.h"
#include "weights/read_config.h"

namespace catenary::weights {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kLmHead = "lm_head.weight";

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw DataError(fmt::format("{}: {}", path.string(), what));
}

bool has_file(const fs::path& folder, std::string_view name) {
  std::error_code ignored;
  return fs::exists(folder / name, ignored);
}

/// A vector is one row.
std::int64_t num_rows_of(const TensorInfo& tensor) {
  return tensor.shape.size() > 1 ? tensor.shape.front() : 1;
}

/// A file of the folder with this extension, for error messages.
std::optional<std::string> find_any(const fs::path& folder, std::string_view extension) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == extension) return entry->path().filename().string();
  }
  return std::nullopt;
}

/// Tensors by the name that the container gives them.
using TensorsByName = std::map<std::string_view, const TensorInfo*>;

void add_tensors(TensorsByName& all, const fs::path& path, std::span<const TensorInfo> tensors) {
  for (const TensorInfo& tensor : tensors) {
    if (!all.emplace(tensor.name, &tensor).second) {
      fail(path, fmt::format("tensor {} is also in another shard", shown(tensor.name)));
    }
  }
}

/// The files named by model.safetensors.index.json, each of which must hold the tensors that the index says.
std::vector<SafetensorsFile> open_shards(const fs::path& index_path) {
  const nlohmann::json index = read_json(index_path);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object()) fail(index_path, "/weight_map: expected an object");
  std::map<std::string, std::set<std::string_view>> tensors_of;  // by shard
  for (const auto& [name, shard] : map->items()) {
    const auto refuse = [&, &tensor = name](std::string_view what) {
      fail(index_path, fmt::format("/weight_map{}: {}", pointer_to(tensor), what));
    };
    if (!shard.is_string()) refuse("expected a file name");
    const auto& file = shard.get_ref<const std::string&>();
    if (!file.ends_with(".safetensors") || file.find_first_of(std::string_view("/\\\0", 3)) != file.npos) {
      refuse(fmt::format("expected the name of a .safetensors file in this folder, found {}", shown(file)));
    }
    tensors_of[file].insert(name);
  }
  std::vector<SafetensorsFile> shards;
  for (auto& [file, expected] : tensors_of) {
    const SafetensorsFile& shard = shards.emplace_back(index_path.parent_path() / file);
    for (const TensorInfo& tensor : shard.tensors()) expected.erase(tensor.name);
    if (!expected.empty()) {
      fail(shard.path(), fmt::format("lacks tensor {}, which {} says it holds", shown(*expected.begin()),
                                     index_path.filename().string()));
    }
  }
  return shards;
}

/// Old checkpoints keep the frequencies of rotary embedding, which follow from the config.
bool is_harmless(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

/// A tied model may store the embedding twice; transformers then uses it and not lm_head.
bool is_copy_of_tied_embedding(const TensorInfo& tensor, const ModelConfig& config, const TensorsByName& all) {
  if (tensor.name != kLmHead || !config.tie_word_embeddings) return false;
  const auto found = all.find(kEmbedding);
  if (found == all.end()) return false;
  const TensorInfo& embedding = *found->second;
  return tensor.shape == embedding.shape && tensor.encoding == embedding.encoding &&
         std::ranges::equal(tensor.bytes, embedding.bytes);
}

/// What the model needs of the file's tensors, under Hugging Face names and in their order. Every tensor must be
/// needed: one that is left over, a bias say, would change the results.
std::vector<TensorInfo> select_tensors(const fs::path& path, const ModelConfig& config, const TensorsByName& all,
                                       bool gguf_names) {
  if (std::cmp_greater(config.num_layers, all.size() / kTensorsPerLayer)) {
    fail(path, fmt::format("{} layers need more than the file's {} tensors", config.num_layers, all.size()));
  }
  Problems problems;
  const auto problem = [&](std::string_view name, std::string_view what) {
    problems.add(fmt::format("{}: tensor {} {}", path.string(), shown(name), what));
  };
  std::vector<TensorInfo> selected;
  std::set<std::string_view> needed_names;
  auto needed = llama_tensors(config);
  std::ranges::sort(needed, {}, &NeededTensor::name);
  for (NeededTensor& tensor : needed) {
    const std::string& name = gguf_names ? tensor.gguf_name : tensor.name;
    needed_names.insert(name);
    const auto found = all.find(name);
    if (found == all.end()) {
      problem(name, tensor.name == kLmHead ? "is missing, and tie_word_embeddings is not true" : "is missing");
    } else if (found->second->shape != tensor.shape) {
      problem(name,
              fmt::format("has shape {}, and the config needs {}", shown(found->second->shape), shown(tensor.shape)));
    } else {
      selected.push_back({tensor.name, tensor.shape, found->second->encoding, found->second->bytes});
    }
  }
  for (const auto& [name, tensor] : all) {
    if (needed_names.contains(name) || is_harmless(name) || is_copy_of_tied_embedding(*tensor, config, all)) continue;
    problem(name, name == kLmHead
                      ? "differs from the embedding, although tie_word_embeddings is true"
                      : "is not part of a Llama model with this config; leaving it out may change the results");
  }
  problems.throw_if_any<DataError>();
  return selected;
}

}  // namespace

struct Checkpoint::State {
  fs::path path;
  std::optional<GgufFile> gguf;
  std::vector<SafetensorsFile> shards;
  ModelConfig config;
  std::vector<TensorInfo> tensors;

  void open_gguf() {
    gguf.emplace(path);
    config = read_gguf_config(*gguf);
    TensorsByName all;
    add_tensors(all, path, gguf->tensors());
    tensors = select_tensors(path, config, all, true);
  }

  void open_folder() {
    if (!has_file(path, "config.json")) {
      const auto file = find_any(path, ".gguf");
      fail(path, file ? fmt::format("no config.json in this folder; to read a GGUF file, give its own path ({})",
                                    (path / *file).string())
                      : "no config.json in this folder; a Hugging Face model has config.json and model.safetensors");
    }
    config = read_hf_config(path / "config.json");
    if (has_file(path, "model.safetensors")) {
      shards.emplace_back(path / "model.safetensors");
    } else if (has_file(path, "model.safetensors.index.json")) {
      shards = open_shards(path / "model.safetensors.index.json");
    } else if (has_file(path, "pytorch_model.bin") || has_file(path, "pytorch_model.bin.index.json")) {
      fail(path,
           fmt::format(
               "the weights are in PyTorch's .bin format, which can run code when it is loaded. Convert them to "
               "safetensors, for instance with\n  python3 -c \"from transformers import AutoModelForCausalLM as M; "
               "M.from_pretrained('{0}', torch_dtype='auto').save_pretrained('{0}')\"",
               path.string()));
    } else {
      fail(path, "neither model.safetensors nor model.safetensors.index.json is in this folder");
    }
    TensorsByName all;
    for (const SafetensorsFile& shard : shards) add_tensors(all, shard.path(), shard.tensors());
    tensors = select_tensors(path, config, all, false);
  }

  /// Calls `use(bytes)` for each row of Hugging Face's order from `first_row` on; in one piece where the file's order
  /// is the same.
  template <class Use>
  void for_rows(const TensorInfo& tensor, std::int64_t first_row, std::int64_t num_rows, Use use) const {
    const std::int64_t all_rows = num_rows_of(tensor);
    check(first_row >= 0 && num_rows >= 0 && num_rows <= all_rows - first_row, "the rows are in the tensor");
    const std::size_t row_bytes = tensor.bytes.size() / all_rows;
    if (!gguf || !is_rotary_projection(tensor.name)) {
      use(tensor.bytes.subspan(first_row * row_bytes, num_rows * row_bytes));
      return;
    }
    for (std::int64_t row = first_row; row < first_row + num_rows; ++row) {
      use(tensor.bytes.subspan(gguf_row(row, config.head_dim) * row_bytes, row_bytes));
    }
  }
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type == fs::file_type::not_found) fail(path, "no such file or folder");
  if (type == fs::file_type::directory) {
    state->open_folder();
  } else if (path.extension() == ".gguf") {
    state->open_gguf();
  } else if (path.extension() == ".safetensors" || path.filename() == "config.json") {
    fail(path, "give the folder that holds config.json and the weights, not one of its files");
  } else {
    fail(path, "not a checkpoint; expected a Hugging Face folder or a .gguf file");
  }
  return Checkpoint(std::move(state));
}

const fs::path& Checkpoint::path() const {
  return state_->path;
}
const ModelConfig& Checkpoint::config() const {
  return state_->config;
}
std::span<const TensorInfo> Checkpoint::tensors() const {
  return state_->tensors;
}
const GgufFile* Checkpoint::gguf() const {
  return state_->gguf ? &*state_->gguf : nullptr;
}

const TensorInfo* Checkpoint::find_tensor(std::string_view name) const {
  const auto found = std::ranges::lower_bound(state_->tensors, name, {}, &TensorInfo::name);
  return found != state_->tensors.end() && found->name == name ? &*found : nullptr;
}

const TensorInfo& Checkpoint::get_tensor(std::string_view name) const {
  const TensorInfo* tensor = find_tensor(name);
  if (tensor == nullptr) fail(state_->path, fmt::format("no tensor {}", shown(name)));
  return *tensor;
}

void Checkpoint::read_float32(const TensorInfo& tensor, std::span<float> out) const {
  read_rows_float32(tensor, 0, num_rows_of(tensor), out);
}

void Checkpoint::read_rows_float32(const TensorInfo& tensor, std::int64_t first_row, std::int64_t num_rows,
                                   std::span<float> out) const {
  const BlockSize block = block_size(tensor.encoding);
  std::size_t done = 0;
  state_->for_rows(tensor, first_row, num_rows, [&](std::span<const std::byte> bytes) {
    const std::size_t elements = bytes.size() / block.bytes * block.elements;
    check(out.size() - done >= elements, "the output has the elements of the rows");
    dequantize(tensor.encoding, bytes, out.subspan(done, elements));
    done += elements;
  });
  check(done == out.size(), "the output has the elements of the rows");
}

std::int64_t Checkpoint::num_parameters() const {
  std::int64_t sum = 0;
  for (const TensorInfo& tensor : tensors()) sum += tensor.num_elements();
  return sum;
}

std::int64_t Checkpoint::num_embedding_parameters() const {
  std::int64_t sum = get_tensor(kEmbedding).num_elements();
  if (const TensorInfo* lm_head = find_tensor(kLmHead)) sum += lm_head->num_elements();
  return sum;
}

// Rows are hashed in Hugging Face's order, so that a GGUF file whose rows were never interleaved does not pass for the
// right one, and float weights have one fingerprint in either container.
std::string Checkpoint::fingerprint() const {
  const ModelConfig& c = config();
  Hasher hasher;
  hasher.add("catenary weights 1").add(c.architecture);
  for (const std::int64_t size : {c.hidden_size, c.intermediate_size, c.num_layers, c.num_heads, c.num_kv_heads,
                                  c.head_dim, c.vocab_size, c.max_position_embeddings}) {
    hasher.add(static_cast<std::uint64_t>(size));
  }
  for (const double number : {c.rms_norm_eps, c.rope_theta}) hasher.add(std::bit_cast<std::uint64_t>(number));
  hasher.add(std::uint64_t{c.tie_word_embeddings});
  for (const TensorInfo& tensor : tensors()) {
    hasher.add(tensor.name).add(std::uint64_t{tensor.shape.size()});
    for (const std::int64_t size : tensor.shape) hasher.add(static_cast<std::uint64_t>(size));
    hasher.add(to_string(tensor.encoding));
    state_->for_rows(tensor, 0, num_rows_of(tensor), [&](std::span<const std::byte> bytes) { hasher.add(bytes); });
  }
  return hasher.hex();
}

}  // namespace catenary::weights
