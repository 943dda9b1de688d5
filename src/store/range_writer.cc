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
#include "store/h5.h"

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

}  // namespace

RangeWriter::RangeWriter(const std::filesystem::path& path, Tables tables) : tables_(std::move(tables)), path_(path) {
  const H5File file = H5File::open(path);
  const auto find = [&file]<class T>(ResultColumn<T>& column, const ResultInfo<T>& result, std::size_t num_rows) {
    column = {Column<T>::open(file, result.info.path, num_rows).offset(), num_rows};
  };
  const NumResults num = num_results(tables_);
  find(log_likelihood_, kLogLikelihood, num.scores);
  find(num_tokens_, kNumTokens, num.scores);
  find(is_greedy_, kIsGreedy, num.scores);
  find(is_truncated_, kIsTruncated, num.items);
  find(text_begin_, kTextBegin, num.texts);
  find(text_num_bytes_, kTextNumBytes, num.texts);
  find(text_num_tokens_, kTextNumTokens, num.texts);
  find(text_is_cut_, kTextIsCut, num.texts);
  find(text_bytes_, kTextBytes, num.text_bytes);
  find(state_, kState, num.ranges);
  find(checksum_, kChecksum, num.ranges);
  find(run_index_, kRunIndex, num.ranges);
  find(owner_rank_, kOwnerRank, num.ranges);
  find(seconds_, kSeconds, num.ranges);
  find(num_tokens_fed_, kNumTokensFed, num.ranges);
  find(num_items_truncated_, kNumItemsTruncated, num.ranges);
  find(flops_, kFlops, num.ranges);
  find(finished_, kFinished, num.ranges);
  find(error_, kError, num.ranges);
  find(record_checksum_, kRecordChecksum, num.ranges);
  find(run_started_, kRunStarted, kNumRunRows);
  find(run_finished_, kRunFinished, kNumRunRows);
  find(run_num_ranks_, kRunNumRanks, kNumRunRows);
  find(run_host_, kRunHost, kNumRunRows);
  find(run_catenary_version_, kRunCatenaryVersion, kNumRunRows);
  find(run_libtorch_version_, kRunLibtorchVersion, kNumRunRows);
  find(run_checksum_, kRunChecksum, kNumRunRows);
  descriptor_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!descriptor_) throw StoreError(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
}

template <class T>
void RangeWriter::put(const ResultColumn<T>& column, std::size_t first, const std::vector<T>& rows) const {
  check(first <= column.num_rows && rows.size() <= column.num_rows - first, "rows outside of a column");
  put_bytes(column.offset + first * sizeof(T), rows.data(), rows.size() * sizeof(T));
}

template <class T>
void RangeWriter::put_one(const ResultColumn<T>& column, std::size_t row, const T& value) const {
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
  if (!has_failed) {
    const Values values = flatten(tables_, range_index, result.items);
    const Place place = place_of_range(tables_, range_index);
    put(log_likelihood_, place.score_begin, values.log_likelihood);
    put(num_tokens_, place.score_begin, values.num_tokens);
    put(is_greedy_, place.score_begin, values.is_greedy);
    put(is_truncated_, place.item_begin, values.is_truncated);
    put(text_begin_, place.text_begin, text_begins(place, values));
    put(text_num_bytes_, place.text_begin, values.text_num_bytes);
    put(text_num_tokens_, place.text_begin, values.text_num_tokens);
    put(text_is_cut_, place.text_begin, values.text_is_cut);
    check(values.text_bytes.size() <= place.num_text_bytes, "texts beyond their room");
    put_bytes(text_bytes_.offset + place.text_byte_begin, values.text_bytes.data(), values.text_bytes.size());
    record.checksum = values_checksum(unit_id, first_item, values);
    if (sync_values && ::fdatasync(descriptor_.get()) != 0) {
      throw StoreError(fmt::format("{}: cannot be put on the disk: {}", path_.string(), std::strerror(errno)));
    }
  }
  put_one(error_, range_index,
          fixed_text<ErrorText>(result.error));  // a success clears the reason of a failure before it
  put_one(checksum_, range_index, record.checksum);
  put_one(run_index_, range_index, record.run_index);
  put_one(owner_rank_, range_index, record.owner_rank);
  put_one(seconds_, range_index, record.seconds);
  put_one(num_tokens_fed_, range_index, record.num_tokens_fed);
  put_one(num_items_truncated_, range_index, record.num_items_truncated);
  put_one(flops_, range_index, record.flops);
  put_one(finished_, range_index, record.finished);
  put_one(record_checksum_, range_index, store::record_checksum(unit_id, first_item, record));
  put_one(state_, range_index, static_cast<std::uint8_t>(record.state));
}

void RangeWriter::write_run(std::size_t run_index, const Run& run) const {
  // A reader takes a row whose checksum holds without `finished` for one that has not ended.
  put_one(run_finished_, run_index, run.finished);
  put_one(run_num_ranks_, run_index, run.num_ranks);
  put_one(run_host_, run_index, fixed_text<HostText>(run.host));
  put_one(run_catenary_version_, run_index, fixed_text<VersionText>(run.catenary_version));
  put_one(run_libtorch_version_, run_index, fixed_text<VersionText>(run.libtorch_version));
  put_one(run_checksum_, run_index, store::run_checksum(run));
  put_one(run_started_, run_index, run.started);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace catenary::store
