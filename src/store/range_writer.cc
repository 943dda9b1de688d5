#include "store/range_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/utf8.h"
#include "store/checksums.h"
#include "store/h5.h"

// Ranks on several hosts write neighbouring bytes. A client of NFS that has a page of the file in memory may send the
// whole page where a few bytes of it were written, and so undo what other hosts wrote meanwhile; not so while some
// process of its host holds a lock on a part of the file, or where the file is open for synchronous writing
// (nfs_can_extend_write in fs/nfs/write.c of Linux). So each writer holds a lock; where there are no locks, it writes
// synchronously.

namespace catenary::store {
namespace {

template <class Text>
Text fixed_text(std::string_view text) {
  const std::string valid = to_valid_utf8(text);
  Text fixed{};
  cut_utf8(valid, fixed.size()).copy(fixed.data(), fixed.size());
  return fixed;
}

/// Each text has its share of the room; longer ones take, in order, what shorter ones leave of theirs, and lose their
/// end where that is not enough.
void add_texts(const std::vector<spec::ItemScore>& items, std::size_t room, Values& values) {
  std::vector<std::string> texts;
  std::vector<bool> was_cut;
  for (const spec::ItemScore& item : items) {
    for (const spec::GeneratedText& text : item.texts) {
      texts.push_back(to_valid_utf8(text.text));
      was_cut.push_back(text.is_cut);  // in the store that it comes from
      values.text_num_tokens.push_back(text.num_tokens);
    }
  }
  if (texts.empty()) return;
  const std::size_t share = room / texts.size();
  std::size_t spare = 0;
  for (const std::string& text : texts) spare += share - std::min(share, text.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string_view kept = cut_utf8(texts[i], share + spare);
    spare -= std::max(kept.size(), share) - share;
    values.text_num_bytes.push_back(static_cast<std::int32_t>(kept.size()));
    values.text_is_cut.push_back(was_cut[i] || kept.size() < texts[i].size() ? 1 : 0);
    values.text_bytes += kept;
  }
}

Values flatten(const Tables& tables, std::size_t range_index, const std::vector<spec::ItemScore>& items) {
  const Place place = place_of_range(tables, range_index);
  check(items.size() == place.num_items, "a result has another number of items than its range");
  const auto unit = static_cast<std::size_t>(tables.ranges.unit_index[range_index]);
  const auto task = static_cast<std::size_t>(tables.units.task_index[unit]);
  const auto first_item =
      static_cast<std::size_t>(tables.tasks.item_begin[task] + tables.ranges.first_item[range_index]);
  Values values;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const spec::ItemScore& item = items[i];
    const auto num_classes = static_cast<std::size_t>(tables.task_items.num_classes[first_item + i]);
    check(item.log_likelihoods.size() == num_classes && item.num_tokens.size() == num_classes &&
              item.is_greedy.size() == num_classes,
          "a result has another number of classes than its item");
    check(std::ssize(item.texts) == tables.units.num_texts_per_item[unit],
          "a result has another number of texts than its unit");
    values.log_likelihood.insert(values.log_likelihood.end(), item.log_likelihoods.begin(), item.log_likelihoods.end());
    values.num_tokens.insert(values.num_tokens.end(), item.num_tokens.begin(), item.num_tokens.end());
    values.is_greedy.insert(values.is_greedy.end(), item.is_greedy.begin(), item.is_greedy.end());
    values.is_truncated.push_back(item.is_truncated ? 1 : 0);
  }
  add_texts(items, place.num_text_bytes, values);
  return values;
}

/// A lock that any number of processes may have at once.
bool lock_first_byte(int descriptor) {
  struct flock first_byte {};
  first_byte.l_type = F_RDLCK;
  first_byte.l_whence = SEEK_SET;
  first_byte.l_len = 1;
  return ::fcntl(descriptor, F_OFD_SETLK, &first_byte) == 0;
}

}  // namespace

RangeWriter::RangeWriter(const std::filesystem::path& path, Tables tables) : tables_(std::move(tables)), path_(path) {
  const H5File file = H5File::open(path);
  const auto find = [&file]<class T>(Extent<T>& column, const ResultInfo<T>& result) {
    column = {Column<T>::open(file, result.info.path, result.num_rows).offset(), result.num_rows};
  };
  for_each_result_column(columns_, num_results(tables_), find);
  lock_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const bool is_locked = lock_ && lock_first_byte(lock_.get());
  descriptor_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC | (is_locked ? 0 : O_DSYNC)));
  if (!descriptor_) throw StoreError(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
}

template <class T>
void RangeWriter::put(const Extent<T>& column, std::size_t first, const std::vector<T>& rows) const {
  check(first <= column.num_rows && rows.size() <= column.num_rows - first, "rows outside of a column");
  put_bytes(column.offset + first * sizeof(T), rows.data(), rows.size() * sizeof(T));
}

template <class T>
void RangeWriter::put_one(const Extent<T>& column, std::size_t row, const T& value) const {
  check(row < column.num_rows, "a row outside of a column");
  put_bytes(column.offset + row * sizeof(T), &value, sizeof(T));
}

void RangeWriter::put_bytes(std::uint64_t offset, const void* bytes, std::size_t num_bytes) const {
  const char* next = static_cast<const char*>(bytes);
  while (num_bytes > 0) {
    const ssize_t written = ::pwrite(descriptor_.get(), next, num_bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw StoreError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
    next += written;
    offset += static_cast<std::uint64_t>(written);
    num_bytes -= static_cast<std::size_t>(written);
  }
}

void RangeWriter::write(std::size_t range_index, const spec::RangeResult& result, const Owner& owner,
                        bool sync_values) const {
  check(range_index < tables_.ranges.unit_index.size(), "a range index outside of the store");
  const std::string& unit_id = tables_.units.id[static_cast<std::size_t>(tables_.ranges.unit_index[range_index])];
  const std::int64_t first_item = tables_.ranges.first_item[range_index];
  const bool has_failed = !result.error.empty();
  RangeRecord record{.state = has_failed ? RangeState::kFailed : RangeState::kDone,
                     .run_index = owner.run_index,
                     .owner_rank = owner.rank,
                     .seconds = result.seconds,
                     .num_tokens_fed = result.num_tokens_fed,
                     .num_items_truncated = std::ranges::count(result.items, true, &spec::ItemScore::is_truncated),
                     .flops = result.flops,
                     .finished = owner.finished};
  // What is done over is pending until all of it is written: a row of two results would be damage.
  put_one(columns_.state, range_index, static_cast<std::uint8_t>(RangeState::kPending));
  if (!has_failed) {
    const Values values = flatten(tables_, range_index, result.items);
    const Place place = place_of_range(tables_, range_index);
    put(columns_.log_likelihood, place.score_begin, values.log_likelihood);
    put(columns_.num_tokens, place.score_begin, values.num_tokens);
    put(columns_.is_greedy, place.score_begin, values.is_greedy);
    put(columns_.is_truncated, place.item_begin, values.is_truncated);
    put(columns_.text_begin, place.text_begin, text_begins(place, values));
    put(columns_.text_num_bytes, place.text_begin, values.text_num_bytes);
    put(columns_.text_num_tokens, place.text_begin, values.text_num_tokens);
    put(columns_.text_is_cut, place.text_begin, values.text_is_cut);
    check(values.text_bytes.size() <= place.num_text_bytes, "texts beyond their room");
    put_bytes(columns_.text_bytes.offset + place.text_byte_begin, values.text_bytes.data(), values.text_bytes.size());
    record.checksum = values_checksum(unit_id, first_item, values);
    if (sync_values && ::fdatasync(descriptor_.get()) != 0) {
      throw StoreError(fmt::format("{}: cannot be put on the disk: {}", path_.string(), std::strerror(errno)));
    }
  }
  put_one(columns_.error, range_index,
          fixed_text<ErrorText>(result.error));  // a success clears the reason of a failure before it
  put_one(columns_.checksum, range_index, record.checksum);
  put_one(columns_.run_index, range_index, record.run_index);
  put_one(columns_.owner_rank, range_index, record.owner_rank);
  put_one(columns_.seconds, range_index, record.seconds);
  put_one(columns_.num_tokens_fed, range_index, record.num_tokens_fed);
  put_one(columns_.num_items_truncated, range_index, record.num_items_truncated);
  put_one(columns_.flops, range_index, record.flops);
  put_one(columns_.finished, range_index, record.finished);
  put_one(columns_.record_checksum, range_index, store::record_checksum(unit_id, first_item, record));
  put_one(columns_.state, range_index, static_cast<std::uint8_t>(record.state));
}

void RangeWriter::write_run(std::size_t run_index, const Run& run) const {
  // A reader takes a row whose checksum holds without `finished` for one that has not ended.
  put_one(columns_.run_finished, run_index, run.finished);
  put_one(columns_.run_num_ranks, run_index, run.num_ranks);
  put_one(columns_.run_host, run_index, fixed_text<HostText>(run.host));
  put_one(columns_.run_catenary_version, run_index, fixed_text<VersionText>(run.catenary_version));
  put_one(columns_.run_libtorch_version, run_index, fixed_text<VersionText>(run.libtorch_version));
  put_one(columns_.run_checksum, run_index, store::run_checksum(run));
  put_one(columns_.run_started, run_index, run.started);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace catenary::store
