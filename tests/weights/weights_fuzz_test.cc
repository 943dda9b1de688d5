// Damaged checkpoints: each is opened and read whole, or refused with DataError, and takes no more memory than a small
// multiple of its files' size. CATENARY_FUZZ_CASES says how many of each kind are tried (300 where it is not set),
// CATENARY_FUZZ_SEED with which seed. To be run with -DCATENARY_SANITIZE=address and =undefined.
//
// Damage is done where a reader decides: to single fields of a header (counts, lengths, types, shapes, offsets), to
// whole entries (left out, twice, exchanged, renamed), to the values of a config, to raw bytes, and to the length. Of
// models in several files also to the files (missing, exchanged, another model's) and to what names and counts them.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "catenary/weights/checkpoint.h"
#include "support/allocations.h"
#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kModels = fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model";

unsigned number_of(const char* variable, unsigned otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

/// Folders of tests/reference/model that hold `file`.
std::vector<fs::path> models_with(std::string_view file) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::directory_iterator(kModels)) {
    if (fs::exists(entry.path() / file)) result.push_back(entry.path());
  }
  std::ranges::sort(result);
  return result;
}

class WeightsFuzz : public testing::Test {
 protected:
  void TearDown() override {
    RecordProperty("num_loaded", static_cast<int>(num_loaded_));
    RecordProperty("most_memory_per_byte", std::to_string(most_memory_per_byte_));
    EXPECT_GT(num_loaded_, 0U);
    EXPECT_LT(num_loaded_, num_cases_);
  }

  std::size_t below(std::size_t end) { return random_() % end; }

  template <class List>
  const auto& one_of(const List& list) {
    return list[below(std::size(list))];
  }

  /// A number that some check may have forgotten.
  std::uint64_t odd_number(std::uint64_t now) {
    switch (below(4)) {
      case 0:
        return now + below(5) - 2;
      case 1:
        return (std::uint64_t{1} << below(64)) + below(3) - 1;
      case 2:
        return now * one_of(std::array<std::uint64_t, 5>{0, 2, 3, 1000, 1ULL << 32});
      default:
        return below(300);
    }
  }

  std::string damage_bytes(std::string bytes, std::size_t end) {
    for (std::size_t i = 1 + below(4); i > 0; --i) {
      const std::size_t at = below(std::max<std::size_t>(1, std::min(end, bytes.size())));
      switch (below(4)) {
        case 0:
          if (at < bytes.size()) bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes.insert(std::min(at, bytes.size()), bytes.substr(below(bytes.size() + 1), below(40)));
          break;
        case 2:
          if (at < bytes.size()) bytes.erase(at, 1 + below(40));
          break;
        default:
          if (below(3) == 0) bytes.resize(below(bytes.size() + 1));
      }
    }
    return bytes;
  }

  using Files = std::map<std::string, std::string>;  // bytes by name

  /// A folder that holds these files alone.
  fs::path write_all(const Files& files) {
    const fs::path folder = folder_.path() / "model";
    fs::remove_all(folder);
    fs::create_directory(folder);
    for (const auto& [name, bytes] : files) folder_.write("model/" + name, bytes);
    return folder;
  }

  /// Takes a file away, or puts another in its place: one of these or, at times, `foreign`.
  void exchange_files(Files& files, const std::string& foreign) {
    const auto any = [&] { return std::next(files.begin(), static_cast<std::ptrdiff_t>(below(files.size()))); };
    const auto file = any(), other = any();
    switch (below(4)) {
      case 0:
        files.erase(file);
        break;
      case 1:
        file->second = other->second;
        break;
      case 2:
        std::swap(file->second, other->second);
        break;
      default:
        file->second = foreign;
    }
  }

  static std::size_t num_bytes(const Files& files) {
    std::size_t sum = 0;
    for (const auto& [name, bytes] : files) sum += bytes.size();
    return sum;
  }

  /// Opens and reads all of it. `num_bytes` is the size of its files.
  void try_checkpoint(const fs::path& path, std::size_t num_bytes) {
    const test::AllocationWatch watch;
    try {
      const Checkpoint checkpoint = Checkpoint::open(path);
      std::vector<float> floats;
      for (const TensorInfo& tensor : checkpoint.tensors()) {
        floats.resize(static_cast<std::size_t>(tensor.num_elements()));
        checkpoint.read_float32(tensor, floats);
      }
      EXPECT_FALSE(checkpoint.fingerprint().empty());
      const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
      for (const fs::path& file : checkpoint.files()) EXPECT_EQ(file.parent_path(), folder);
      ++num_loaded_;
    } catch (const DataError& e) {
      EXPECT_GT(std::string_view(e.what()).size(), path.string().size());
    }
    const auto peak = static_cast<double>(watch.peak_bytes());
    most_memory_per_byte_ = std::max(most_memory_per_byte_, (peak - kFixedBytes) / static_cast<double>(num_bytes));
    ASSERT_LT(peak, kFixedBytes + kBytesPerByte * static_cast<double>(num_bytes));
  }

  // What a few messages and paths take, and how much more than its text a parsed header may take. A list of lists in
  // JSON is the worst: 2 bytes become a value and a vector.
  static constexpr double kFixedBytes = 1 << 16, kBytesPerByte = 48;

  unsigned num_cases_ = number_of("CATENARY_FUZZ_CASES", 300);
  std::mt19937_64 random_{number_of("CATENARY_FUZZ_SEED", 1)};
  unsigned num_loaded_ = 0;
  double most_memory_per_byte_ = 0;
  TemporaryFolder folder_;
};

// ---- safetensors --------------------------------------------------------------------------------------------------

struct Safetensors {
  json header = json::object();
  std::string data;

  Safetensors() = default;
  explicit Safetensors(const std::string& bytes) {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    header = json::parse(bytes.substr(sizeof size, size));
    data = bytes.substr(sizeof size + size);
  }

  std::string bytes() const { return safetensors_bytes(header.dump(), data); }

  /// Appends a tensor of `other`.
  void add(const std::string& name, const Safetensors& other) {
    json entry = other.header[name];
    const std::size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    entry["data_offsets"] = {data.size(), data.size() + end - begin};
    header[name] = entry;
    data.append(other.data, begin, end - begin);
  }
};

class SafetensorsFuzz : public WeightsFuzz {
 protected:
  std::string damage(const std::string& good) {
    if (below(4) == 0) {
      std::uint64_t size = 0;
      std::memcpy(&size, good.data(), sizeof size);
      return damage_bytes(good, sizeof size + size);
    }
    Safetensors file(good);
    for (std::size_t i = 1 + below(2); i > 0; --i) damage_entry(file.header);
    std::string text = file.header.dump();
    if (below(6) == 0) damage_text(text);
    std::uint64_t size = text.size();
    if (below(10) == 0) size = odd_number(size);
    if (below(10) == 0) file.data.resize(odd_number(file.data.size()) % (2 * file.data.size()));
    return Bytes().number(size).raw(text).raw(file.data).str();
  }

  // JSON of every kind.
  static inline const std::vector<json> kOdd{nullptr,       true,           -1,         1.5,      1e308, "", "F32",
                                             json::array(), json::object(), {{"a", 1}}, {1, 2, 3}};

  json::iterator any_entry(json& object) {
    return std::next(object.begin(), static_cast<std::ptrdiff_t>(below(object.size())));
  }

  void damage_entry(json& header) {
    if (header.empty()) return;
    const auto at = any_entry(header);
    json& entry = *at;
    const bool is_tensor = entry.is_object() && entry.contains("shape") && entry["shape"].is_array() &&
                           entry.contains("data_offsets") && entry["data_offsets"].is_array();
    switch (is_tensor ? below(9) : below(3)) {
      case 0:
        header.erase(at);
        break;
      case 1:
        header[one_of(std::array{"", "lm_head.weight", "model.norm.weight", "__metadata__", "a/b~c", "\n\033[2J"})] =
            json(entry);
        break;
      case 2:
        entry = one_of(kOdd);
        break;
      case 3:
        entry[one_of(std::array{"dtype", "shape", "data_offsets", "extra"})] = one_of(kOdd);
        break;
      case 4:
        entry["dtype"] = one_of(std::array{"F64", "F32", "F16", "BF16", "I8", "BOOL", "F8_E4M3", "f32"});
        break;
      case 5: {
        json& shape = entry["shape"];
        if (below(3) == 0 || shape.empty()) shape.insert(shape.begin(), odd_number(1));
        json& size = shape[below(shape.size())];
        if (size.is_number_unsigned()) size = odd_number(size.get<std::uint64_t>());
        break;
      }
      case 6:
        std::ranges::reverse(entry["shape"]);
        break;
      case 7: {
        json& offsets = entry["data_offsets"];
        for (json& offset : offsets) {
          if (offset.is_number_unsigned() && below(2) == 0) offset = odd_number(offset.get<std::uint64_t>());
        }
        break;
      }
      default:
        if (json& other = *any_entry(header); other.is_object())
          std::swap(entry["data_offsets"], other["data_offsets"]);
    }
  }

  // What a JSON library would not write: keys given twice, numbers of any length, deep nesting, very many values.
  void damage_text(std::string& text) {
    const auto repeated = [](std::size_t times, const std::string& what) {
      std::string all;
      for (std::size_t i = 0; i < times; ++i) all += what;
      return all;
    };
    const std::size_t key = std::min(text.find('"', below(text.size())), text.size() - 1);
    switch (below(6)) {
      case 0:
        text.insert(1, text.substr(1, text.size() - 2) + ",");
        break;
      case 1:
        text = repeated(1 + below(100'000), one_of(std::array{"[", "{\"a\":", " "})) + text;
        break;
      case 2:
        text.insert(key, "\"x\":" + repeated(1 + below(40), "[") + repeated(below(40), "]") + ",");
        break;
      case 3:
        text.insert(key, "\"x\":[" + repeated(below(30'000), one_of(std::array{"[],", "{},", "0,", "\"\","})) + "0],");
        break;
      case 4:
        if (const auto digit = text.find_first_of("123456789"); digit != text.npos) {
          text.insert(digit, repeated(1 + below(400), "9"));
        }
        break;
      default:
        text.insert(key, one_of(std::array{"\"", "\\u0000", "\xFF", "\xEF\xBB\xBF", "nan"}));
    }
  }
};

TEST_F(SafetensorsFuzz, is_read_or_refused) {
  std::vector<std::pair<fs::path, std::string>> good;
  for (const fs::path& model : models_with("model.safetensors")) {
    good.emplace_back(model, read_file(model / "model.safetensors"));
  }
  ASSERT_GT(good.size(), 20U);
  for (unsigned i = 0; i < num_cases_ && !HasFatalFailure(); ++i) {
    const auto& [model, bytes] = one_of(good);
    fs::copy_file(model / "config.json", folder_.path() / "config.json", fs::copy_options::overwrite_existing);
    const std::string damaged = damage(bytes);
    folder_.write("model.safetensors", damaged);
    try_checkpoint(folder_.path(), damaged.size() + fs::file_size(folder_.path() / "config.json"));
  }
}

// ---- safetensors in shards ----------------------------------------------------------------------------------------

class ShardsFuzz : public SafetensorsFuzz {
 protected:
  static constexpr const char* kIndex = "model.safetensors.index.json";
  static constexpr const char* kNames[] = {"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                           "model-00003-of-00003.safetensors"};

  /// The model with its tensors spread over three shards, as transformers writes them.
  Files shards_of(const fs::path& model) {
    const Safetensors whole(read_file(model / "model.safetensors"));
    std::map<std::string, Safetensors> shards;
    json map;
    for (const auto& [name, entry] : whole.header.items()) {
      if (name == "__metadata__") continue;
      const std::string shard = map.size() < 3 ? kNames[map.size()] : one_of(kNames);
      shards[shard].add(name, whole);
      map[name] = shard;
    }
    Files files;
    for (const auto& [name, shard] : shards) files[name] = shard.bytes();
    files[kIndex] = json{{"metadata", {{"total_size", whole.data.size()}}}, {"weight_map", map}}.dump();
    files["config.json"] = read_file(model / "config.json");
    return files;
  }

  void damage_files(Files& files, const Files& other_model) {
    switch (below(4)) {
      case 0: {
        std::string& shard = files[one_of(kNames)];
        shard = damage(shard);
        break;
      }
      case 1:
        exchange_files(files, other_model.at(one_of(kNames)));
        break;
      case 2:
        put_tensor_elsewhere(files);
        break;
      default:
        files[kIndex] = damage_index(files[kIndex]);
    }
  }

 private:
  /// Into another shard too, or there only; the index may or may not say so.
  void put_tensor_elsewhere(Files& files) {
    const std::string from = one_of(kNames), to = one_of(kNames);
    Safetensors source(files[from]), target(files[to]), left;
    const std::string moved = any_entry(source.header).key();
    for (const auto& [name, entry] : source.header.items()) {
      if (name != moved) left.add(name, source);
    }
    if (below(2) == 0) files[from] = left.bytes();
    target.add(moved, source);
    files[to] = target.bytes();
    if (below(2) == 0) {
      json index = json::parse(files[kIndex]);
      index["weight_map"][moved] = to;
      files[kIndex] = index.dump();
    }
  }

  std::string damage_index(const std::string& good) {
    json index = json::parse(good);
    json& map = index["weight_map"];
    for (std::size_t i = 1 + below(3); i > 0 && !map.empty(); --i) {
      const auto entry = any_entry(map);
      switch (below(7)) {
        case 0:
          map.erase(entry);
          break;
        case 1:
          *entry = one_of(kOdd);
          break;
        case 2:
          *entry = one_of(kNames);
          break;
        case 3: {  // where the first shard is or could be, but not as a file of this folder
          const std::string outside = outside_name();
          for (json& shard : map) {
            if (shard == kNames[0]) shard = outside;
          }
          break;
        }
        case 4:
          *entry = one_of(std::array{"model.safetensors", kIndex, "config.json", "", ".", "..", ".safetensors",
                                     "model-00004-of-00003.safetensors", "\n.safetensors"});
          break;
        case 5:
          map[one_of(std::array{"", "lm_head.weight", "model.norm.weight", "a/b~c", "\033[2J"})] = json(*entry);
          break;
        default:
          index[one_of(std::array{"metadata", "weight_map"})] = one_of(kOdd);
          return index.dump();
      }
    }
    std::string text = index.dump();
    if (below(6) == 0) damage_text(text);
    return below(6) == 0 ? damage_bytes(text, text.size()) : text;
  }

  std::string outside_name() {
    const fs::path outside = folder_.path() / kNames[0];
    return one_of(std::array<std::string, 4>{std::string("../") + kNames[0], outside.string(),
                                             std::string("../model/") + kNames[0], std::string("./") + kNames[0]});
  }
};

TEST_F(ShardsFuzz, are_read_or_refused) {
  std::vector<Files> good;
  for (const fs::path& model : models_with("model.safetensors")) {
    good.push_back(shards_of(model));
    ASSERT_NO_THROW(Checkpoint::open(write_all(good.back()))) << model;
  }
  for (unsigned i = 0; i < num_cases_ && !HasFatalFailure(); ++i) {
    Files files = one_of(good);
    folder_.write(kNames[0], files[kNames[0]]);
    damage_files(files, one_of(good));
    try_checkpoint(write_all(files), num_bytes(files));
  }
}

// ---- GGUF ---------------------------------------------------------------------------------------------------------

/// Where a good GGUF file has its numbers and its entries.
class GgufMap {
 public:
  struct Field {
    std::size_t at, size;
  };
  std::vector<Field> fields;
  std::vector<std::pair<std::size_t, std::size_t>> pairs, tensors;  // begin and end of each
  std::size_t end = 0;                                              // of the header

  explicit GgufMap(const std::string& bytes) : bytes_(bytes), at_(4) {
    number(4);
    const std::uint64_t num_tensors = number(8), num_pairs = number(8);
    for (std::uint64_t i = 0; i < num_pairs; ++i) {
      const std::size_t begin = at_;
      text();
      value(number(4));
      pairs.emplace_back(begin, at_);
    }
    for (std::uint64_t i = 0; i < num_tensors; ++i) {
      const std::size_t begin = at_;
      text();
      for (std::uint64_t n = number(4); n > 0; --n) number(8);
      number(4);
      number(8);
      tensors.emplace_back(begin, at_);
    }
    end = at_;
  }

 private:
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, size);
    fields.push_back({at_, size});
    at_ += size;
    return value;
  }
  void text() { at_ += number(8); }
  void value(std::uint64_t type) {
    constexpr std::size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
      text();
    } else if (type == 9) {
      const std::uint64_t element = number(4);
      for (std::uint64_t n = number(8); n > 0; --n) value(element);
    } else {
      number(kSizes[type]);
    }
  }

  const std::string& bytes_;
  std::size_t at_;
};

class GgufFuzz : public WeightsFuzz {
 protected:
  std::string damage(const std::string& good, const GgufMap& map) {
    std::string bytes = good;
    const auto write = [&](const GgufMap::Field& field, std::uint64_t value) {
      std::memcpy(bytes.data() + field.at, &value, field.size);
    };
    const auto add_to_count = [&](const GgufMap::Field& field, int change) {
      std::uint64_t count = 0;
      std::memcpy(&count, bytes.data() + field.at, field.size);
      if (below(8) != 0) write(field, count + static_cast<std::uint64_t>(change));
    };
    const bool tensors = below(2) == 0 && !map.tensors.empty();
    const auto& entries = tensors ? map.tensors : map.pairs;
    const GgufMap::Field count = map.fields[tensors ? 1 : 2];
    const auto [begin, end] = one_of(entries);
    const std::string entry = bytes.substr(begin, end - begin);
    switch (below(6)) {
      case 0:
        return damage_bytes(bytes, map.end);
      case 1:
        bytes.erase(begin, entry.size());
        add_to_count(count, -1);
        break;
      case 2: {
        std::string twice = entry;
        if (below(2) == 0) twice[8 + below(4)] = static_cast<char>('a' + below(26));  // under another name
        bytes.insert(end, twice);
        add_to_count(count, 1);
        break;
      }
      case 3:
        bytes.erase(begin, entry.size()).insert(one_of(entries).first % (bytes.size() - entry.size()), entry);
        break;
      default:
        for (std::size_t i = 1 + below(3); i > 0; --i) {
          const GgufMap::Field& field = one_of(map.fields);
          std::uint64_t now = 0;
          std::memcpy(&now, bytes.data() + field.at, field.size);
          write(field, odd_number(now));
        }
    }
    if (below(20) == 0) bytes.resize(below(bytes.size()));
    return bytes;
  }
};

TEST_F(GgufFuzz, is_read_or_refused) {
  std::vector<std::string> good{read_file(reference("tiny.gguf"))};
  for (const fs::path& model : models_with("model.gguf")) good.push_back(read_file(model / "model.gguf"));
  ASSERT_GT(good.size(), 4U);
  std::vector<GgufMap> maps;
  for (const std::string& bytes : good) maps.emplace_back(bytes);
  for (unsigned i = 0; i < num_cases_ && !HasFatalFailure(); ++i) {
    const std::size_t chosen = below(good.size());
    const std::string damaged = damage(good[chosen], maps[chosen]);
    try_checkpoint(folder_.write("model.gguf", damaged), damaged.size());
  }
}

// ---- GGUF in parts ------------------------------------------------------------------------------------------------

/// A GGUF file taken apart: metadata, and tensors with their bytes.
struct Gguf {
  GgufBuilder metadata;
  std::vector<std::pair<GgufBuilder::Tensor, std::string>> tensors;

  explicit Gguf(const fs::path& path) {
    const std::string bytes = read_file(path);
    const GgufMap map(bytes);
    for (const auto& [begin, end] : map.pairs) {
      const std::size_t value = begin + 8 + number<std::uint64_t>(bytes, begin);
      metadata.values.emplace_back(bytes.substr(begin + 8, value - begin - 8), bytes.substr(value, end - value));
    }
    const GgufFile file(path);
    for (std::size_t i = 0; i < map.tensors.size(); ++i) {
      const TensorInfo& tensor = file.tensors()[i];
      GgufBuilder::Tensor entry{.name = tensor.name,
                                .dimensions = {tensor.shape.rbegin(), tensor.shape.rend()},
                                .type = number<std::uint32_t>(bytes, map.tensors[i].second - 12)};
      tensors.emplace_back(entry, std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
    }
  }

 private:
  template <class T>
  static T number(const std::string& bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
};

class SplitGgufFuzz : public GgufFuzz {
 protected:
  static constexpr const char* kNames[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"};

  /// As llama-gguf-split writes them, with its types of numbers; a `damaged` one has other numbers than it should, or
  /// tensors that are in no part or in two.
  Files parts_of(const Gguf& model, bool damaged) {
    const std::size_t odd_tensor = damaged && below(2) == 0 ? below(model.tensors.size()) : model.tensors.size();
    const std::size_t odd_part = damaged && odd_tensor == model.tensors.size() ? below(3) : 3;
    Files files;
    for (std::size_t part = 0; part < 3; ++part) {
      GgufBuilder builder = part == 0 ? model.metadata : GgufBuilder();
      for (std::size_t i = 0; i < model.tensors.size(); ++i) {
        const auto& [tensor, bytes] = model.tensors[i];
        const std::size_t home = i * 3 / model.tensors.size();
        if (i == odd_tensor ? below(2) == 0 : part == home) {
          builder.tensor(tensor.name, tensor.dimensions, tensor.type, bytes);
        }
      }
      const std::size_t odd_key = part == odd_part ? below(3) : 3;
      add_number<std::uint16_t>(builder, "split.no", 2, part, odd_key == 0);
      add_number<std::uint16_t>(builder, "split.count", 2, 3, odd_key == 1);
      add_number<std::int32_t>(builder, "split.tensors.count", 5, model.tensors.size(), odd_key == 2);
      files[kNames[part]] = builder.build();
    }
    return files;
  }

  void damage_files(Files& files, const Files& other_model) {
    if (below(2) == 0) {
      exchange_files(files, other_model.at(one_of(kNames)));
    } else {
      std::string& part = files[one_of(kNames)];
      part = damage(part, GgufMap(part));
    }
  }

 private:
  template <class T>
  void add_number(GgufBuilder& builder, const char* key, std::uint32_t type, std::uint64_t number, bool is_odd) {
    switch (is_odd ? below(4) : 3) {
      case 0:
        break;
      case 1:
        builder.string(key, std::to_string(number));
        break;
      case 2:
        builder.value(key, Bytes().number<std::uint32_t>(10).number(odd_number(number)));
        break;
      default:
        builder.value(key, Bytes().number(type).number(static_cast<T>(is_odd ? odd_number(number) : number)));
    }
  }
};

TEST_F(SplitGgufFuzz, is_read_or_refused) {
  std::vector<Gguf> models{Gguf(reference("tiny.gguf"))};
  for (const fs::path& model : models_with("model.gguf")) models.emplace_back(model / "model.gguf");
  std::vector<Files> good;
  for (const Gguf& model : models) {
    good.push_back(parts_of(model, false));
    ASSERT_NO_THROW(Checkpoint::open(write_all(good.back()) / kNames[0]));
  }
  for (unsigned i = 0; i < num_cases_ && !HasFatalFailure(); ++i) {
    const std::size_t chosen = below(good.size());
    Files files = good[chosen];
    if (below(3) == 0) {
      files = parts_of(models[chosen], true);
    } else {
      damage_files(files, one_of(good));
    }
    try_checkpoint(write_all(files) / kNames[0], num_bytes(files));
  }
}

// ---- config.json --------------------------------------------------------------------------------------------------

class ConfigFuzz : public WeightsFuzz {
 protected:
  /// Puts an odd value, or one that another family's config has there, at some place; or takes one away.
  void damage(json& config, const json& other) {
    static const std::vector<json> kOdd{nullptr,
                                        true,
                                        false,
                                        -1,
                                        0,
                                        1,
                                        2,
                                        7,
                                        64,
                                        4096,
                                        2147483647,
                                        2147483648,
                                        1ULL << 40,
                                        UINT64_MAX,
                                        0.5,
                                        1.5,
                                        1e-300,
                                        1e308,
                                        "",
                                        "none",
                                        "default",
                                        "linear",
                                        "dynamic",
                                        "yarn",
                                        "llama3",
                                        "longrope",
                                        "gelu",
                                        "sliding_attention",
                                        json::array(),
                                        json::object(),
                                        json::array({1, 2}),
                                        json::array({"full_attention", "sliding_attention"}),
                                        json(std::vector<int>(1000, 1))};
    json* value = &config;
    do {
      auto child = value->begin();
      std::advance(child, static_cast<std::ptrdiff_t>(below(value->size())));
      if (value->is_object() && below(10) == 0) {
        value->erase(child);
        return;
      }
      value = &*child;
    } while (value->is_structured() && !value->empty() && below(4) != 0);
    if (value->is_number_unsigned() && below(2) == 0) {
      *value = odd_number(value->get<std::uint64_t>());
    } else {
      *value = one_of(kOdd);
    }
    if (below(3) == 0) {
      auto borrowed = other.begin();
      std::advance(borrowed, static_cast<std::ptrdiff_t>(below(other.size())));
      config[borrowed.key()] = *borrowed;
    }
  }
};

TEST_F(ConfigFuzz, is_read_or_refused) {
  const auto models = models_with("config.json");
  std::vector<json> configs;
  for (const fs::path& model : models) configs.push_back(json::parse(read_file(model / "config.json")));
  fs::path weights_of;
  for (unsigned i = 0; i < num_cases_ && !HasFatalFailure(); ++i) {
    const std::size_t chosen = i * models.size() / num_cases_;
    if (models[chosen] != weights_of) {
      weights_of = models[chosen];
      fs::copy_file(weights_of / "model.safetensors", folder_.path() / "model.safetensors",
                    fs::copy_options::overwrite_existing);
    }
    std::string text;
    if (below(8) == 0) {
      text = damage_bytes(configs[chosen].dump(), std::string::npos);
    } else {
      json config = configs[chosen];
      for (std::size_t n = 1 + below(3); n > 0 && !config.empty(); --n) damage(config, one_of(configs));
      text = config.dump();
    }
    folder_.write("config.json", text);
    SCOPED_TRACE(text);
    try_checkpoint(folder_.path(), text.size() + fs::file_size(folder_.path() / "model.safetensors"));
  }
}

}  // namespace
}  // namespace catenary::weights
