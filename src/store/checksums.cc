#include "store/checksums.h"

#include <span>
#include <type_traits>

#include "catenary/base/hash.h"

namespace catenary::store {
namespace {

// Gathers the bytes that a checksum covers: numbers as they lie in memory, which is as they lie in the file.
class Bytes {
 public:
  void add_text(const std::string& text) { bytes_.append(text); }
  template <class T>
  void add(const std::vector<T>& values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  template <class T>
  void add_one(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::uint32_t checksum() const { return checksum32(std::as_bytes(std::span(bytes_.data(), bytes_.size()))); }

 private:
  std::string bytes_;
};

}  // namespace

std::string layout_hash(const Layout& layout, const Tables& tables) {
  Hasher hasher;
  hasher.add(layout.sweep_name).add(layout.numerics.dtype).add(layout.numerics.device_kind);
  hasher.add(static_cast<std::uint64_t>(layout.numerics.threads_per_rank));
  hasher.add(layout.provenance.catenary_version).add(layout.provenance.libtorch_version);
  hasher.add(layout.provenance.host).add(layout.provenance.created);
  for_each_column(tables, [&hasher]<class T>(const ColumnInfo& info, const std::vector<T>& column) {
    hasher.add(info.path).add(static_cast<std::uint64_t>(column.size()));
    if constexpr (std::is_same_v<T, std::string>) {
      for (const std::string& text : column) hasher.add(text);
    } else {
      hasher.add(std::as_bytes(std::span(column)));
    }
  });
  return hasher.hex();
}

std::uint32_t values_checksum(const std::string& unit_id, std::int64_t first_item, const Values& values) {
  Bytes bytes;
  bytes.add_text(unit_id);
  bytes.add_one(first_item);
  bytes.add(values.log_likelihood);
  bytes.add(values.num_tokens);
  bytes.add(values.is_greedy);
  bytes.add(values.is_truncated);
  bytes.add(values.text_num_bytes);
  bytes.add(values.text_num_tokens);
  bytes.add(values.text_is_cut);
  bytes.add_text(values.text_bytes);
  return bytes.checksum();
}

std::uint32_t record_checksum(const std::string& unit_id, std::int64_t first_item, const RangeRecord& record) {
  Bytes bytes;
  bytes.add_text(unit_id);
  bytes.add_one(first_item);
  bytes.add_one(record.state);
  bytes.add_one(record.checksum);
  bytes.add_one(record.run_index);
  bytes.add_one(record.owner_rank);
  bytes.add_one(record.seconds);
  bytes.add_one(record.num_tokens_fed);
  bytes.add_one(record.num_items_truncated);
  bytes.add_one(record.flops);
  bytes.add_one(record.finished);
  return bytes.checksum();
}

std::uint32_t run_checksum(const Run& run) {
  Bytes bytes;
  bytes.add_one(run.started);
  bytes.add_one(run.finished);
  bytes.add_one(run.num_ranks);
  for (const std::string* text : {&run.host, &run.catenary_version, &run.libtorch_version}) {
    bytes.add_one(static_cast<std::uint64_t>(text->size()));
    bytes.add_text(*text);
  }
  return bytes.checksum();
}

}  // namespace catenary::store
