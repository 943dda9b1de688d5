#include "store/range_writer.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/utf8.h"

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
  for (const spec::ItemScore& item : items) {
    for (const spec::GeneratedText& text : item.texts) {
      texts.push_back(to_valid_utf8(text.text));
      values.text_num_tokens.push_back(text.num_tokens);
    }
  }
  if (texts.empty()) return;
  const std::size_t share = room / texts.size();
  std::size_t spare = 0;
  for (const std::string& text : texts) spare += share - std::min(share, text.size());
  for (const std::string& text : texts) {
    const std::string_view kept = cut_utf8(text, share + spare);
    spare -= std::max(kept.size(), share) - share;
    values.text_num_bytes.push_back(static_cast<std::int32_t>(kept.size()));
    values.text_is_cut.push_back(kept.size() < text.size() ? 1 : 0);
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

RangeWriter::RangeWriter(const H5File& file, Tables tables) : tables_(std::move(tables)) {
  const NumResults num = num_results(tables_);
  const auto open = [&file]<class T>(Column<T>& column, const ResultInfo<T>& result, std::size_t num_rows) {
    column = Column<T>::open(file, result.info.path, num_rows);
  };
  open(log_likelihood_, kLogLikelihood, num.scores);
  open(num_tokens_, kNumTokens, num.scores);
  open(is_greedy_, kIsGreedy, num.scores);
  open(is_truncated_, kIsTruncated, num.items);
  open(text_begin_, kTextBegin, num.texts);
  open(text_num_bytes_, kTextNumBytes, num.texts);
  open(text_num_tokens_, kTextNumTokens, num.texts);
  open(text_is_cut_, kTextIsCut, num.texts);
  open(text_bytes_, kTextBytes, num.text_bytes);
  open(state_, kState, num.ranges);
  open(checksum_, kChecksum, num.ranges);
  open(run_index_, kRunIndex, num.ranges);
  open(owner_rank_, kOwnerRank, num.ranges);
  open(seconds_, kSeconds, num.ranges);
  open(num_tokens_fed_, kNumTokensFed, num.ranges);
  open(num_items_truncated_, kNumItemsTruncated, num.ranges);
  open(flops_, kFlops, num.ranges);
  open(finished_, kFinished, num.ranges);
  open(error_, kError, num.ranges);
  open(record_checksum_, kRecordChecksum, num.ranges);
}

void RangeWriter::write(std::size_t range_index, const spec::RangeResult& result, const Owner& owner) const {
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
                     .finished = seconds_since_1970()};
  if (!has_failed) {
    const Values values = flatten(tables_, range_index, result.items);
    const Place place = place_of_range(tables_, range_index);
    log_likelihood_.write(place.score_begin, values.log_likelihood);
    num_tokens_.write(place.score_begin, values.num_tokens);
    is_greedy_.write(place.score_begin, values.is_greedy);
    is_truncated_.write(place.item_begin, values.is_truncated);
    text_begin_.write(place.text_begin, text_begins(place, values));
    text_num_bytes_.write(place.text_begin, values.text_num_bytes);
    text_num_tokens_.write(place.text_begin, values.text_num_tokens);
    text_is_cut_.write(place.text_begin, values.text_is_cut);
    text_bytes_.write(place.text_byte_begin,
                      {reinterpret_cast<const std::uint8_t*>(values.text_bytes.data()), values.text_bytes.size()});
    record.checksum = values_checksum(unit_id, first_item, values);
  }
  error_.write_one(range_index,
                   fixed_text<ErrorText>(result.error));  // a success clears the reason of a failure before it
  checksum_.write_one(range_index, record.checksum);
  run_index_.write_one(range_index, record.run_index);
  owner_rank_.write_one(range_index, record.owner_rank);
  seconds_.write_one(range_index, record.seconds);
  num_tokens_fed_.write_one(range_index, record.num_tokens_fed);
  num_items_truncated_.write_one(range_index, record.num_items_truncated);
  flops_.write_one(range_index, record.flops);
  finished_.write_one(range_index, record.finished);
  record_checksum_.write_one(range_index, store::record_checksum(unit_id, first_item, record));
  state_.write_one(range_index, static_cast<std::uint8_t>(record.state));
}

void write_run(const H5File& file, std::size_t run_index, const Run& run) {
  const auto write = [&]<class T>(const ResultInfo<T>& column, const T& value) {
    Column<T>::open(file, column.info.path, kNumRunRows).write_one(run_index, value);
  };
  // A reader takes a row whose checksum holds without `finished` for one that has not ended.
  write(kRunFinished, run.finished);
  write(kRunNumRanks, run.num_ranks);
  write(kRunHost, fixed_text<HostText>(run.host));
  write(kRunCatenaryVersion, fixed_text<VersionText>(run.catenary_version));
  write(kRunLibtorchVersion, fixed_text<VersionText>(run.libtorch_version));
  write(kRunChecksum, run_checksum(run));
  write(kRunStarted, run.started);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace catenary::store
