#include "catenary/weights/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/weights/cost.h"
#include "catenary/weights/safetensors.h"
#include "weights/json_file.h"
#include "weights/layout.h"
#include "weights/needed_tensors.h"
#include "weights/read_config.h"
#include "weights/run.h"

namespace catenary::weights {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw DataError(fmt::format("{}: {}", path.string(), what));
}

bool has_file(const fs::path& folder, std::string_view name) {
  std::error_code ignored;
  return fs::exists(folder / name, ignored);
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

/// The parts after the first of what llama-gguf-split made: "NAME-00001-of-00003.gguf" names the others. The metadata
/// are those of the first.
std::vector<GgufFile> open_other_parts(const GgufFile& first) {
  constexpr std::int64_t kMaxParts = 99999;  // five digits
  const std::int64_t count = first.find_integer("split.count").value_or(1);
  if (count <= 1) return {};
  if (count > kMaxParts) fail(first.path(), fmt::format("split.count: {} parts are more than {}", count, kMaxParts));
  const std::string name = first.path().filename().string();
  const std::string end = fmt::format("-00001-of-{:05}.gguf", count);
  if (!name.ends_with(end) || first.find_integer("split.no").value_or(0) != 0) {
    fail(first.path(), fmt::format("a file in {} parts: give the first, whose name ends in {}", count, end));
  }
  std::vector<GgufFile> rest;
  for (std::int64_t i = 1; i < count; ++i) {
    const std::string part =
        fmt::format("{}-{:05}-of-{:05}.gguf", name.substr(0, name.size() - end.size()), i + 1, count);
    const GgufFile& opened = rest.emplace_back(first.path().parent_path() / part);
    if (opened.find_integer("split.no") != i || opened.find_integer("split.count") != count) {
      fail(opened.path(), fmt::format("split.no and split.count do not say that this is part {} of {}", i + 1, count));
    }
  }
  return rest;
}

/// The tables that say where a model's tensors are, and which of the file's tensors may be left out.
struct NameTables {
  std::array<std::span<const TensorName>, 2> tables;
  std::string_view prefix;  // that the files of a base model leave out
  std::span<const std::string_view> ignored;
};

NameTables hf_tables(const Family& family) {
  return {{family.names, kLlamaNames}, family.prefix, family.ignored};
}
NameTables gguf_tables(const Family& family) {
  return {{family.gguf->names, kGgufNames}, "", family.gguf->ignored};
}

/// What follows from the config: rotary frequencies in old checkpoints, causal masks.
bool is_harmless(std::string_view name, const NameTables& tables) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         std::ranges::any_of(tables.ignored, [&](std::string_view end) { return name.ends_with(end); });
}

/// A tied model may store the embedding twice; transformers then uses it and not lm_head.
bool is_copy(const TensorInfo& tensor, const TensorInfo* other) {
  return other != nullptr && tensor.shape == other->shape && tensor.encoding == other->encoding &&
         std::ranges::equal(tensor.bytes, other->bytes);
}

struct Selected {
  std::vector<TensorInfo> tensors;  // in name order
  std::vector<Layout> layouts;      // of each
};

/// Finds what the model needs among the file's tensors. Every tensor must be needed: one that is left over, a bias say,
/// would change the results.
class Selector {
 public:
  Selector(const fs::path& path, const ModelConfig& config, const TensorsByName& all, const NameTables& tables)
      : path_(path), config_(config), all_(all), tables_(tables) {
    // Files of the base model alone lack the prefix that its part in the whole model has.
    has_prefix_ = std::ranges::any_of(all, [&](const auto& entry) { return entry.first.starts_with(tables_.prefix); });
  }

  Selected select() {
    check_counts();
    auto needed = needed_tensors(config_, config_.num_layers);
    std::vector<std::pair<std::string, NeededTensor*>> order;
    for (NeededTensor& tensor : needed) order.emplace_back(tensor.name(), &tensor);
    std::ranges::sort(order);
    for (auto& [name, tensor] : order) take(name, *tensor);
    const StoredTensor embedding = stored({.part = "model.embed_tokens", .suffix = ".weight", .shape = {1, 1}});
    const StoredTensor lm_head = stored({.part = "lm_head", .suffix = ".weight", .shape = {1, 1}});
    for (const auto& [name, tensor] : all_) {
      if (used_.contains(name) || is_harmless(name, tables_)) continue;
      if (name == lm_head.name && config_.tie_word_embeddings) {
        if (!is_copy(*tensor, find(embedding.name))) {
          problem(name, "differs from the embedding, although tie_word_embeddings is true");
        }
        continue;
      }
      problem(name, fmt::format("is not part of a {} model with this config; leaving it out may change the results",
                                config_.architecture));
    }
    problems_.throw_if_any<DataError>();
    return std::move(selected_);
  }

 private:
  /// Before a list of so many tensors is made.
  void check_counts() const {
    const auto check_count = [&](std::int64_t count, std::string_view what, std::size_t most) {
      if (std::cmp_greater(count, most)) {
        fail(path_, fmt::format("{} {} need more than the file's {} tensors", count, what, all_.size()));
      }
    };
    if (config_.num_experts > 0 && !stacks_experts()) check_count(config_.num_experts, "experts", all_.size());
    if (config_.qk_norm_kind == ModelConfig::QkNorm::kEachHead) {
      check_count(config_.num_heads, "norms of heads", all_.size());
    }
    std::set<std::string> of_one_layer;
    for (const NeededTensor& tensor : needed_tensors(config_, 1)) {
      if (tensor.layer == 0) of_one_layer.insert(stored(tensor).name);
    }
    const std::size_t least = std::min<std::size_t>(of_one_layer.size(), 9);  // another layer may have no experts
    check_count(config_.num_layers, "layers", all_.size() / least);
  }

  /// Whether one tensor of the file holds all experts.
  bool stacks_experts() const {
    const auto name_for = [&](std::int64_t expert) {
      return stored({.part = "mlp.experts.up_proj", .suffix = ".weight", .layer = 0, .expert = expert, .shape = {1, 1}})
          .name;
    };
    return name_for(0) == name_for(1);
  }

  StoredTensor stored(const NeededTensor& tensor) const {
    StoredTensor result = locate(tensor, config_, tables_.tables);
    if (!has_prefix_ && result.name.starts_with(tables_.prefix)) result.name.erase(0, tables_.prefix.size());
    return result;
  }

  const TensorInfo* find(std::string_view name) const {
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : found->second;
  }

  void problem(std::string_view name, std::string_view what) {
    problems_.add(fmt::format("{}: tensor {} {}", path_.string(), shown(name), what));
  }

  void take(const std::string& name, const NeededTensor& tensor) {
    const StoredTensor where = stored(tensor);
    const TensorInfo* found = find(where.name);
    const bool is_first = used_.insert(where.name).second;  // of those that share a fused tensor
    if (found == nullptr) {
      if (is_first) {
        problem(where.name,
                tensor.part == "lm_head" ? "is missing, and tie_word_embeddings is not true" : "is missing");
      }
      return;
    }
    if (found->shape != where.shape) {
      if (is_first) {
        problem(where.name,
                fmt::format("has shape {}, and the config needs {}", shown(found->shape), shown(where.shape)));
      }
      return;
    }
    const bool in_blocks = block_size(found->encoding).elements > 1;
    const bool splits_blocks = where.layout.transposed || where.shape.size() == 1;
    if (in_blocks && splits_blocks && !is_whole(where.layout)) {
      problem(where.name,
              fmt::format("is in {} blocks, and its rows are not whole blocks", to_string(found->encoding)));
      return;
    }
    selected_.tensors.push_back({name, tensor.shape, found->encoding, found->bytes});
    selected_.layouts.push_back(where.layout);
  }

  static bool is_whole(const Layout& layout) { return layout.is_contiguous() && layout.run_rows == layout.file_rows; }

  const fs::path& path_;
  const ModelConfig& config_;
  const TensorsByName& all_;
  const NameTables& tables_;
  bool has_prefix_ = true;
  std::set<std::string, std::less<>> used_;
  Problems problems_;
  Selected selected_;
};

}  // namespace

struct Checkpoint::State {
  fs::path path;
  std::optional<GgufFile> gguf;
  std::vector<GgufFile> gguf_rest;  // the other parts of a split file
  std::vector<SafetensorsFile> shards;
  ModelConfig config;
  std::vector<TensorInfo> tensors;
  std::vector<Layout> layouts;  // of each

  void select(const TensorsByName& all, const NameTables& tables) {
    Selected selected = Selector(path, config, all, tables).select();
    tensors = std::move(selected.tensors);
    layouts = std::move(selected.layouts);
  }

  void open_gguf() {
    gguf.emplace(path);
    gguf_rest = open_other_parts(*gguf);
    Described described = read_gguf_config(*gguf, gguf_rest);
    config = std::move(described.config);
    TensorsByName all;
    add_tensors(all, path, gguf->tensors());
    for (const GgufFile& part : gguf_rest) add_tensors(all, part.path(), part.tensors());
    const auto expected = gguf->find_integer("split.tensors.count");
    if (expected && std::cmp_not_equal(*expected, all.size())) {
      fail(path, fmt::format("split.tensors.count is {}, and the parts hold {} tensors", *expected, all.size()));
    }
    select(all, gguf_tables(*described.family));
  }

  void open_folder() {
    if (!has_file(path, "config.json")) {
      const auto file = find_any(path, ".gguf");
      fail(path, file ? fmt::format("no config.json in this folder; to read a GGUF file, give its own path ({})",
                                    (path / *file).string())
                      : "no config.json in this folder; a Hugging Face model has config.json and model.safetensors");
    }
    Described described = read_hf_config(path / "config.json");
    config = std::move(described.config);
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
    select(all, hf_tables(*described.family));
  }

  std::vector<const MappedFile*> files() const {
    std::vector<const MappedFile*> files;
    for (const SafetensorsFile& shard : shards) files.push_back(&shard.file());
    if (gguf) files.push_back(&gguf->file());
    for (const GgufFile& part : gguf_rest) files.push_back(&part.file());
    return files;
  }

  /// The one that holds the tensor's bytes.
  const MappedFile& file_of(const TensorInfo& tensor) const {
    const auto files = this->files();
    const auto found = std::ranges::find_if(files, [&](const MappedFile* file) {
      const auto all = file->bytes();
      return tensor.bytes.data() >= all.data() && tensor.bytes.data() <= all.data() + all.size() - tensor.bytes.size();
    });
    check(found != files.end(), "the tensor is of this checkpoint");
    return **found;
  }

  const Layout& layout_of(const TensorInfo& tensor) const {
    const auto found = std::ranges::lower_bound(tensors, tensor.name, {}, &TensorInfo::name);
    check(found != tensors.end() && found->name == tensor.name, "the tensor is of this checkpoint");
    return layouts[static_cast<std::size_t>(found - tensors.begin())];
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
  if (type == fs::file_type::not_found) {
    const bool is_file = path.extension() == ".gguf";
    const fs::path folder = is_file ? path.parent_path() : path;
    fail(path,
         fmt::format("no such file or folder; nothing is downloaded, but `hf download OWNER/MODEL {}--local-dir {}` "
                     "gets a model of Hugging Face's",
                     is_file ? path.filename().string() + " " : "", folder.empty() ? "." : folder.string()));
  }
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
std::vector<fs::path> Checkpoint::files() const {
  std::vector<fs::path> paths;
  for (const MappedFile* file : state_->files()) paths.push_back(file->path());
  return paths;
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

void Checkpoint::read(const TensorInfo& tensor, Range rows, Range columns, Encoding as,
                      std::span<std::byte> out) const {
  const auto is_within = [](Range part, std::int64_t size) {
    return part.begin >= 0 && part.begin <= part.end && part.end <= size;
  };
  check(is_within(rows, tensor.num_rows()) && is_within(columns, tensor.num_columns()), "the part is in the tensor");
  check(block_size(as).elements == 1, "tensors are read as plain floats");
  check(std::cmp_equal(out.size(), rows.size() * columns.size() * block_size(as).bytes), "the output holds the part");
  const Layout& layout = state_->layout_of(tensor);
  const MappedFile& file = state_->file_of(tensor);
  file.check_unchanged();  // the mapping of a file that became shorter must not be touched
  const BlockSize block = block_size(tensor.encoding);
  const bool is_plain_copy = tensor.encoding == as && layout.subtract == 0;
  std::vector<std::byte> piece;
  for_each_run(tensor, layout, rows, columns, [&](Run run) {
    while (run.num_elements > 0) {
      // To be converted in pieces that stay in the second-level cache.
      constexpr std::int64_t kPiece = 1 << 16;
      const std::int64_t in_block = run.first % block.elements;
      const std::int64_t count = is_plain_copy ? run.num_elements : std::min(run.num_elements, kPiece - in_block);
      const std::span<std::byte> part = out.first(count * block_size(as).bytes);
      const std::int64_t num_blocks = (in_block + count + block.elements - 1) / block.elements;
      const auto stored = run.bytes.subspan(run.first / block.elements * block.bytes, num_blocks * block.bytes);
      if (layout.transposed) {
        convert(tensor.encoding, {stored, in_block, count}, layout.subtract, as, part);
      } else if (is_plain_copy) {
        file.read(stored, part);
      } else {
        piece.resize(stored.size());
        file.read(stored, piece);
        convert(tensor.encoding, {piece, in_block, count}, layout.subtract, as, part);
      }
      out = out.subspan(part.size());
      run.first += count;
      run.num_elements -= count;
    }
  });
  file.check_unchanged();  // while it was read
}

std::jthread Checkpoint::read_ahead() const {
  return std::jthread([files = state_->files()](const std::stop_token& stop) {
    for (const MappedFile* file : files) file->warm(stop);
  });
}

void Checkpoint::read_float32(const TensorInfo& tensor, std::span<float> out) const {
  read(tensor, {0, tensor.num_rows()}, {0, tensor.num_columns()}, Encoding::kF32, std::as_writable_bytes(out));
}

std::int64_t Checkpoint::num_parameters() const {
  return count_parameters(config()).total;
}
std::int64_t Checkpoint::num_embedding_parameters() const {
  return count_parameters(config()).embedding;
}

// Rows are hashed in the model's order, so that a GGUF file whose rows were never interleaved does not pass for the
// right one, and float weights have one fingerprint in either container. (Not those of Gemma, to which GGUF adds 1.)
std::string Checkpoint::fingerprint() const {
  const auto files = state_->files();
  for (const MappedFile* file : files) file->check_unchanged();
  const std::jthread ahead = read_ahead();
  Hasher hasher;
  hasher.add("catenary weights 2").add(to_text(config()));
  for (const TensorInfo& tensor : tensors()) {
    hasher.add(tensor.name).add(std::uint64_t{tensor.shape.size()});
    for (const std::int64_t size : tensor.shape) hasher.add(static_cast<std::uint64_t>(size));
    hasher.add(to_string(tensor.encoding));
    const BlockSize block = block_size(tensor.encoding);
    for_each_run(tensor, state_->layout_of(tensor), {0, tensor.num_rows()}, {0, tensor.num_columns()},
                 [&](const Run& run) {
                   hasher.add(run.bytes.subspan(run.first / block.elements * block.bytes,
                                                run.num_elements / block.elements * block.bytes));
                 });
  }
  for (const MappedFile* file : files) file->check_unchanged();
  return hasher.hex();
}

}  // namespace catenary::weights
