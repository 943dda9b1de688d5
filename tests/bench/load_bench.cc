// How long it takes to open and load a checkpoint, beside `cat` of the same files to /dev/null, and beside reading them
// into fresh memory with as many threads; all from the page cache (warm) and from the disk (cold: the pages of the
// files are dropped before each run).
//
//   load_bench CHECKPOINT float32|float16|bfloat16 [RUNS]
//   load_bench make FOLDER F32|F16|BF16|Q4_0|Q8_0 MEBIBYTES [HIDDEN_SIZE]    a Llama of random weights, GGUF for the
//                                                                            quantised ones
//
// The best of RUNS (5) counts, in turn. OMP_NUM_THREADS says how many threads load.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/mapped_file.h"
#include "catenary/model/decoder.h"
#include "catenary/model/huge_pages.h"
#include "support/drop_pages.h"
#include "weights/family.h"
#include "weights/fixtures.h"
#include "weights/needed_tensors.h"

namespace {

namespace fs = std::filesystem;
using namespace catenary;
using weights::Encoding;

// ---- making a checkpoint ------------------------------------------------------------------------------------------

weights::ModelConfig config_of_layers(std::int64_t layers, std::int64_t hidden_size) {
  const std::int64_t heads = hidden_size / 64;
  auto c = weights::llama_config(
      {.hidden_size = hidden_size, .num_heads = heads, .num_kv_heads = heads / 4, .theta = 1e4, .eps = 1e-5});
  c.intermediate_size = hidden_size / 4 * 11;
  c.num_layers = layers;
  c.vocab_size = 32000;
  c.max_position_embeddings = 2048;
  return c;
}

std::int64_t num_elements(const weights::NeededTensor& tensor) {
  std::int64_t product = 1;
  for (const std::int64_t size : tensor.shape) product *= size;
  return product;
}

/// Blocks of random bits whose exponents are those of small numbers.
std::string random_bytes(Encoding encoding, std::int64_t elements) {
  const weights::BlockSize block = weights::block_size(encoding);
  std::mt19937 random(1);
  std::string bytes(static_cast<std::size_t>(elements / block.elements * block.bytes), '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  const std::size_t step = encoding == Encoding::kF32 ? 4
                           : block.elements > 1       ? static_cast<std::size_t>(block.bytes)
                                                      : 2;
  const std::size_t top = encoding == Encoding::kF32 ? 3 : 1;  // of the number that a block begins with
  for (std::size_t i = top; i < bytes.size(); i += step)
    bytes[i] = encoding == Encoding::kF16 || block.elements > 1 ? '\x22' : '\x3c';
  return bytes;
}

void make(const fs::path& folder, std::string_view word, std::int64_t mebibytes, std::int64_t hidden_size) {
  std::optional<Encoding> encoding;
  for (const Encoding e : {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ4_0, Encoding::kQ8_0}) {
    if (to_string(e) == word) encoding = e;
  }
  if (!encoding) throw DataError(fmt::format("no encoding {}", word));
  const weights::BlockSize block = weights::block_size(*encoding);
  const auto bytes_of = [&](std::int64_t elements) { return elements / block.elements * block.bytes; };
  std::int64_t layers = 0, size = 0;
  std::vector<weights::NeededTensor> tensors;
  while (size < mebibytes << 20) {
    ++layers;
    tensors = needed_tensors(config_of_layers(layers, hidden_size), layers);
    size = 0;
    for (const auto& tensor : tensors) size += bytes_of(num_elements(tensor));
  }
  fs::create_directories(folder);
  const weights::ModelConfig c = config_of_layers(layers, hidden_size);
  const bool is_gguf = block.elements > 1;
  std::ofstream out(folder / (is_gguf ? "model.gguf" : "model.safetensors"), std::ios::binary);
  if (is_gguf) {
    const auto u32 = [](std::int64_t v) { return static_cast<std::uint32_t>(v); };
    weights::GgufBuilder builder;
    builder.string("general.architecture", "llama").uint32("llama.block_count", u32(layers));
    builder.uint32("llama.context_length", 2048).uint32("llama.embedding_length", u32(c.hidden_size));
    builder.uint32("llama.feed_forward_length", u32(c.intermediate_size));
    builder.uint32("llama.attention.head_count", u32(c.num_heads));
    builder.uint32("llama.attention.head_count_kv", u32(c.num_kv_heads));
    builder.float32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    const std::span<const weights::TensorName> tables[] = {weights::find_gguf_family("llama")->gguf->names,
                                                           weights::kGgufNames};
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors) {
      builder.tensors.push_back({locate(tensor, c, tables).name,
                                 {tensor.shape.rbegin(), tensor.shape.rend()},
                                 *encoding == Encoding::kQ8_0 ? 8U : 2U,
                                 offset});
      offset += static_cast<std::uint64_t>(bytes_of(num_elements(tensor)));
    }
    out << builder.build();
  } else {
    std::ofstream(folder / "config.json") << fmt::format(
        R"({{"model_type": "llama", "hidden_size": {}, "intermediate_size": {}, "num_hidden_layers": {},)"
        R"( "num_attention_heads": {}, "num_key_value_heads": {}, "vocab_size": {}, "max_position_embeddings": 2048,)"
        R"( "rms_norm_eps": 1e-5, "rope_theta": 10000.0}})",
        c.hidden_size, c.intermediate_size, layers, c.num_heads, c.num_kv_heads, c.vocab_size);
    std::string header = "{";
    std::int64_t offset = 0;
    for (const auto& tensor : tensors) {
      const std::int64_t end = offset + bytes_of(num_elements(tensor));
      const std::string columns = tensor.shape.size() > 1 ? fmt::format(", {}", tensor.shape[1]) : "";
      header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}{}],"data_offsets":[{},{}]}})",
                            header.size() > 1 ? "," : "", tensor.name(), word, tensor.shape[0], columns, offset, end);
      offset = end;
    }
    header += '}';
    header.resize((header.size() + 7) / 8 * 8, ' ');
    out << weights::safetensors_bytes(header);
  }
  const std::string some = random_bytes(*encoding, 1 << 20);
  for (const auto& tensor : tensors) {
    for (std::int64_t left = bytes_of(num_elements(tensor)); left > 0; left -= std::ssize(some)) {
      out.write(some.data(), std::min(left, std::ssize(some)));
    }
  }
  out.close();
  if (!out) throw DataError(fmt::format("{}: could not be written", folder.string()));
  fmt::print("{}: {} layers, {:.2f} GB of {}\n", folder.string(), layers, static_cast<double>(size) / 1e9, word);
}

// ---- measuring ----------------------------------------------------------------------------------------------------

std::vector<fs::path> files_of(const fs::path& checkpoint) {
  if (!fs::is_directory(checkpoint)) return {checkpoint};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  return files;
}

void drop_pages(const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    if (!test::drop_pages(file)) throw DataError(fmt::format("{}: its pages could not be dropped", file.string()));
  }
}

/// Shortest time of several runs, and the processors' time, which other programs disturb less.
struct Seconds {
  double wall = std::numeric_limits<double>::infinity(), processors = wall;
};

double processor_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    for (const timeval time : {usage.ru_utime, usage.ru_stime}) {
      sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    }
  }
  return sum;
}

template <class Action>
void measure(Seconds& best, Action action) {
  const double processors = processor_seconds();
  const auto begin = std::chrono::steady_clock::now();
  action();
  best.wall = std::min(best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  best.processors = std::min(best.processors, processor_seconds() - processors);
}

/// "VmHWM", "RssAnon", …, in GB.
double memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) * 1024 / 1e9;
  }
  return 0;
}

/// The least that a load into memory of one's own can do. Threads take turns at the size of a huge page.
void read_into_memory(const std::vector<fs::path>& files) {
  for (const fs::path& path : files) {
    const MappedFile file(path);
    const auto bytes = file.bytes();
    const at::Tensor memory = at::empty({std::ssize(bytes)}, at::kByte);
    const std::span out(static_cast<std::byte*>(memory.mutable_data_ptr()), bytes.size());
    std::atomic<std::size_t> next = 0;
    at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
      constexpr std::size_t kTurn = 2 << 20;
      for (std::size_t at; (at = next.fetch_add(kTurn)) < bytes.size();) {
        const std::size_t size = std::min(kTurn, bytes.size() - at);
        file.read(bytes.subspan(at, size), out.subspan(at, size));
      }
    });
  }
}

void measure(const fs::path& checkpoint, spec::DType dtype, int runs) {
  const auto files = files_of(checkpoint);
  double bytes = 0;
  std::string cat = "cat";
  for (const fs::path& file : files) {
    bytes += static_cast<double>(fs::file_size(file));
    cat += fmt::format(" '{}'", file.string());
  }
  cat += " > /dev/null";
  fmt::print("{}: {:.2f} GB as {}, {} threads, best of {}\n", checkpoint.string(), bytes / 1e9, to_string(dtype),
             at::get_num_threads(), runs);
  for (const bool is_cold : {true, false}) {
    Seconds cat_time, read_time, load_time;
    double anonymous = 0;
    for (int run = 0; run < runs; ++run) {
      if (is_cold) drop_pages(files);
      measure(cat_time, [&] {
        if (std::system(cat.c_str()) != 0) throw DataError("cat failed");
      });
      if (is_cold) drop_pages(files);
      measure(read_time, [&] { read_into_memory(files); });
      if (is_cold) drop_pages(files);
      std::optional<model::Decoder> decoder;
      measure(load_time, [&] { decoder.emplace(weights::Checkpoint::open(checkpoint), dtype, at::Device(at::kCPU)); });
      anonymous = memory("RssAnon");
    }
    fmt::print(
        "{}: cat {:.3f} s, read into memory {:.3f} s, load {:.3f} s, ratios {:.2f} and {:.2f}; of processors {:.3f}, "
        "{:.3f}, {:.3f}; {:.2f} GB of memory loaded, {:.2f} at the peak with the file's pages\n",
        is_cold ? "cold" : "warm", cat_time.wall, read_time.wall, load_time.wall, load_time.wall / cat_time.wall,
        load_time.wall / read_time.wall, cat_time.processors, read_time.processors, load_time.processors, anonymous,
        memory("VmHWM"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  catenary::model::use_huge_pages();  // as catenary-run does
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    if ((args.size() == 4 || args.size() == 5) && args[0] == "make") {
      make(args[1], args[2], std::stol(args[3]), args.size() == 5 ? std::stol(args[4]) : 2048);
    } else if (args.size() == 2 || args.size() == 3) {
      measure(args[0], spec::parse_dtype(args[1]), args.size() == 3 ? std::stoi(args[2]) : 5);
    } else {
      fmt::print(stderr,
                 "usage: load_bench CHECKPOINT DTYPE [RUNS]\n       load_bench make FOLDER ENCODING MEBIBYTES "
                 "[HIDDEN_SIZE]\n");
      return 2;
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
