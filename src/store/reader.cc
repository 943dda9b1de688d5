#include "catenary/store/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/utf8.h"
#include "store/checksums.h"
#include "store/create.h"
#include "store/h5.h"
#include "store/tables.h"

// Nothing in the file is believed. HDF5's metadata carry checksums of their own; the tables are covered by
// `layout_hash`, each range's row and values by the checksums beside them. Tables that refer to each other (…_begin)
// are made anew from what they were made from, and must come out the same.

namespace catenary::store {

namespace {

/// Rows as they lie in the file; `text_bytes` are all of the room.
struct Rows {
  Place place;
  Values values;
  std::vector<std::int64_t> text_begin;
};

std::string text_of(const auto& fixed) {
  return to_valid_utf8({fixed.data(), ::strnlen(fixed.data(), fixed.size())});
}

}  // namespace

struct Reader::State {
  H5File file;
  Layout layout;
  Tables tables;
  std::vector<StoredRange> ranges;
  std::vector<std::uint32_t> checksums;   // of each range's values
  std::vector<std::size_t> damaged_rows;  // ranges of which the file says something that cannot be
  std::vector<std::string> errors;
  std::vector<Run> runs;
  ResultColumns<Column> columns;

  Provenance read_provenance() const;
  void read_layout();
  void take_layout(const Layout& wanted);
  void read_results();
  void read_ranges();
  void read_runs();
  Rows read_rows(const Place& place) const;
  std::string read_error(std::size_t range) const;
  std::optional<Values> intact_values(std::size_t range, const Rows& rows) const;
  std::vector<spec::ItemScore> items_of(std::size_t range, const Values& values) const;
};

namespace {

H5File open_store(const std::filesystem::path& path) {
  H5File file = H5File::open(path);
  if (!has_attribute(file, "format") || read_text_attribute(file, "format") != FileIdentity{}.format) {
    throw StoreError(fmt::format("{}: an HDF5 file, but not a Catenary store", path.string()));
  }
  const std::int32_t version = read_int_attribute(file, "schema_version");
  if (version != kSchemaVersion) {
    throw StoreError(fmt::format(
        "{}: has schema version {}, but this Catenary reads {}; {}", path.string(), version, kSchemaVersion,
        version > kSchemaVersion ? "use a newer Catenary" : "made by an earlier build: run the sweep anew"));
  }
  return file;
}

}  // namespace

StoredChoices read_choices(const std::filesystem::path& path) {
  const H5File file = open_store(path);
  const auto names = read_text_column(file, "models/name");
  const auto sizes = Column<std::int32_t>::open(file, "models/tensor_parallel_size", names.size()).read_all();
  StoredChoices choices{.threads_per_rank = read_int_attribute(file, "threads_per_rank"), .tensor_parallel_sizes = {}};
  for (std::size_t i = 0; i < names.size(); ++i) choices.tensor_parallel_sizes[names[i]] = sizes[i];
  return choices;
}

Reader::Reader(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->file = open_store(path);
  state_->read_layout();
  state_->read_results();
}

Reader::Reader(const std::filesystem::path& path, const Layout& layout) : state_(std::make_unique<State>()) {
  state_->file = open_store(path);
  state_->take_layout(layout);
  state_->read_results();
}

Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

const Layout& Reader::layout() const {
  return state_->layout;
}
const std::vector<StoredRange>& Reader::ranges() const {
  return state_->ranges;
}
const std::vector<Run>& Reader::runs() const {
  return state_->runs;
}
const std::vector<std::string>& Reader::errors() const {
  return state_->errors;
}

Provenance Reader::State::read_provenance() const {
  return {read_text_attribute(file, "catenary_version"), read_text_attribute(file, "libtorch_version"),
          read_text_attribute(file, "host"), read_text_attribute(file, "created")};
}

void Reader::State::take_layout(const Layout& wanted) {
  layout = wanted;
  layout.provenance = read_provenance();
  tables = tables_of(layout, cut_into_ranges(layout));
  if (layout_hash(layout, tables) == read_text_attribute(file, "layout_hash")) return;
  throw StoreError(file.subject("its tables were not those of this sweep"));
}

void Reader::State::read_layout() {
  Tables stored;
  std::map<std::string_view, std::size_t> num_rows;  // by group
  for_each_column(stored, [&]<class T>(const ColumnInfo& info, std::vector<T>& rows) {
    if constexpr (std::is_same_v<T, std::string>) {
      rows = read_text_column(file, info.path);
    } else {
      rows = Column<T>::open(file, info.path).read_all();
    }
    const auto group = info.path.substr(0, info.path.find('/'));
    if (num_rows.try_emplace(group, rows.size()).first->second != rows.size()) {
      throw StoreError(fmt::format("{} has {} rows, but the group's first column has {}",
                                   file.subject(fmt::format("dataset /{}", info.path)), rows.size(), num_rows[group]));
    }
  });

  layout = layout_of(stored, file.name(), file.num_bytes());
  layout.sweep_name = read_text_attribute(file, "sweep_name");
  layout.numerics = {read_text_attribute(file, "dtype"), read_text_attribute(file, "device_kind"),
                     read_int_attribute(file, "threads_per_rank")};
  layout.provenance = read_provenance();
  const std::string expected = read_text_attribute(file, "layout_hash");
  if (layout_hash(layout, stored) != expected) {
    throw StoreError(file.subject(
        "its tables are damaged: they do not have the hash that was stored with them; "
        "`catenary run` with the spec, files and options that made the store makes them anew; else restore "
        "a copy, or take another -o"));
  }
  tables = tables_of(layout, ranges_of(stored));
  if (layout_hash(layout, tables) != expected) {
    throw StoreError(file.subject("its tables contradict each other; it was not written by Catenary"));
  }
}

void Reader::State::read_results() {
  const auto find = [this]<class T>(Column<T>& column, const ResultInfo<T>& result) {
    column = Column<T>::open(file, result.info.path, result.num_rows);
  };
  for_each_result_column(columns, num_results(tables), find);
  read_ranges();
  read_runs();
}

void Reader::State::read_ranges() {
  const std::vector<spec::ItemRange> items = ranges_of(tables);
  // The state first: a range that becomes done while we read is then still pending to us, never the other way round.
  const auto states = columns.state.read_all();
  const auto run_indices = columns.run_index.read_all();
  const auto owner_ranks = columns.owner_rank.read_all();
  const auto seconds = columns.seconds.read_all();
  const auto num_tokens_fed = columns.num_tokens_fed.read_all();
  const auto num_items_truncated = columns.num_items_truncated.read_all();
  const auto flops = columns.flops.read_all();
  const auto finished = columns.finished.read_all();
  const auto record_checksums = columns.record_checksum.read_all();
  checksums = columns.checksum.read_all();

  errors.resize(layout.units.size());
  ranges.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    StoredRange range{.range = items[i]};
    const RangeRecord record{static_cast<RangeState>(states[i]),
                             checksums[i],
                             run_indices[i],
                             owner_ranks[i],
                             seconds[i],
                             num_tokens_fed[i],
                             num_items_truncated[i],
                             flops[i],
                             finished[i]};
    const auto unit = static_cast<std::size_t>(items[i].unit_index);
    if (record.state == RangeState::kPending) {
      ranges.push_back(range);
      continue;
    }
    const bool is_known = record.state == RangeState::kDone || record.state == RangeState::kFailed;
    if (is_known && record_checksum(layout.units[unit].id, items[i].first_item, record) == record_checksums[i]) {
      range = {items[i],       record.state,          record.run_index,           record.owner_rank,
               record.seconds, record.num_tokens_fed, record.num_items_truncated, record.flops,
               record.finished};
      if (record.state == RangeState::kFailed && errors[unit].empty()) {
        errors[unit] = read_error(i);
      }
    } else {
      damaged_rows.push_back(i);
    }
    ranges.push_back(range);
  }
}

std::string Reader::State::read_error(std::size_t range) const {
  const std::string text = text_of(columns.error.read(range, 1).front());
  return text.empty() ? "failed; the reason was not stored" : text;
}

void Reader::State::read_runs() {
  const auto started = columns.run_started.read_all();
  const auto finished = columns.run_finished.read_all();
  const auto num_ranks = columns.run_num_ranks.read_all();
  const auto host = columns.run_host.read_all();
  const auto catenary_version = columns.run_catenary_version.read_all();
  const auto libtorch_version = columns.run_libtorch_version.read_all();
  const auto stored_checksums = columns.run_checksum.read_all();
  std::size_t num_used = kNumRunRows;  // rows before the last that is used are used, too, whatever damage says
  while (num_used > 0 && std::isnan(started[num_used - 1])) --num_used;
  for (std::size_t i = 0; i < num_used; ++i) {
    Run run{started[i],
            finished[i],
            num_ranks[i],
            text_of(host[i]),
            text_of(catenary_version[i]),
            text_of(libtorch_version[i])};
    // A run that is killed while it writes its end leaves the checksum of one that has not ended.
    if (run_checksum(run) != stored_checksums[i]) run.finished = kNaN;
    if (run_checksum(run) != stored_checksums[i]) run = {kNaN, kNaN, 0, "?", "?", "?"};
    runs.push_back(run);
  }
}

/// To be used for a whole unit where all of it is wanted: range by range takes a hundred times as many calls.
Rows Reader::State::read_rows(const Place& place) const {
  Rows rows{.place = place,
            .values = {.log_likelihood = columns.log_likelihood.read(place.score_begin, place.num_scores),
                       .num_tokens = columns.num_tokens.read(place.score_begin, place.num_scores),
                       .is_greedy = columns.is_greedy.read(place.score_begin, place.num_scores),
                       .is_truncated = columns.is_truncated.read(place.item_begin, place.num_items),
                       .text_num_bytes = columns.text_num_bytes.read(place.text_begin, place.num_texts),
                       .text_num_tokens = columns.text_num_tokens.read(place.text_begin, place.num_texts),
                       .text_is_cut = columns.text_is_cut.read(place.text_begin, place.num_texts),
                       .text_bytes = {}},
            .text_begin = columns.text_begin.read(place.text_begin, place.num_texts)};
  const auto bytes = columns.text_bytes.read(place.text_byte_begin, place.num_text_bytes);
  rows.values.text_bytes.assign(bytes.begin(), bytes.end());
  return rows;
}

/// The values of a range that lies within these rows; nothing if they are not what the checksum says.
std::optional<Values> Reader::State::intact_values(std::size_t range, const Rows& rows) const {
  const Place place = place_of_range(tables, range);
  const auto slice = [](const auto& column, std::size_t begin, std::size_t count) {
    const auto first = column.begin() + static_cast<std::ptrdiff_t>(begin);
    return std::remove_cvref_t<decltype(column)>(first, first + static_cast<std::ptrdiff_t>(count));
  };
  const std::size_t score = place.score_begin - rows.place.score_begin;
  const std::size_t text = place.text_begin - rows.place.text_begin;
  Values values{
      .log_likelihood = slice(rows.values.log_likelihood, score, place.num_scores),
      .num_tokens = slice(rows.values.num_tokens, score, place.num_scores),
      .is_greedy = slice(rows.values.is_greedy, score, place.num_scores),
      .is_truncated = slice(rows.values.is_truncated, place.item_begin - rows.place.item_begin, place.num_items),
      .text_num_bytes = slice(rows.values.text_num_bytes, text, place.num_texts),
      .text_num_tokens = slice(rows.values.text_num_tokens, text, place.num_texts),
      .text_is_cut = slice(rows.values.text_is_cut, text, place.num_texts),
      .text_bytes = {}};
  std::size_t num_bytes = 0;
  for (const std::int32_t length : values.text_num_bytes) {
    if (length < 0 || static_cast<std::size_t>(length) > place.num_text_bytes - num_bytes) return std::nullopt;
    num_bytes += static_cast<std::size_t>(length);
  }
  if (slice(rows.text_begin, text, place.num_texts) != text_begins(place, values)) return std::nullopt;
  values.text_bytes = slice(rows.values.text_bytes, place.text_byte_begin - rows.place.text_byte_begin, num_bytes);
  const auto& unit_id = tables.units.id[static_cast<std::size_t>(ranges[range].range.unit_index)];
  if (values_checksum(unit_id, ranges[range].range.first_item, values) != checksums[range]) return std::nullopt;
  return values;
}

std::vector<spec::ItemScore> Reader::State::items_of(std::size_t range, const Values& values) const {
  const spec::ItemRange& where = ranges[range].range;
  const spec::WorkUnit& unit = layout.units[static_cast<std::size_t>(where.unit_index)];
  const auto& task_items = layout.tasks[static_cast<std::size_t>(unit.task_index)].items;
  std::vector<spec::ItemScore> items;
  std::size_t score = 0, text = 0, byte = 0;
  for (const std::uint8_t truncated : values.is_truncated) {
    const auto row = static_cast<std::size_t>(where.first_item) + items.size();
    spec::ItemScore& item = items.emplace_back();
    for (std::size_t c = 0; c < task_items[row].class_num_bytes.size(); ++c, ++score) {
      item.log_likelihoods.push_back(values.log_likelihood[score]);
      item.num_tokens.push_back(values.num_tokens[score]);
      item.is_greedy.push_back(values.is_greedy[score]);
    }
    item.is_truncated = truncated != 0;
    for (std::int32_t t = 0; t < unit.num_texts_per_item; ++t, ++text) {
      const auto num_bytes = static_cast<std::size_t>(values.text_num_bytes[text]);
      item.texts.push_back(
          {values.text_bytes.substr(byte, num_bytes), values.text_num_tokens[text], values.text_is_cut[text] != 0});
      byte += num_bytes;
    }
  }
  return items;
}

std::vector<std::optional<spec::ItemScore>> Reader::read_unit(std::size_t unit_index) const {
  const State& s = *state_;
  check(unit_index < s.layout.units.size(), "a unit index outside of the store");
  const Rows rows = s.read_rows(place_of_unit(s.tables, unit_index));
  std::vector<std::optional<spec::ItemScore>> result(rows.place.num_items);
  const auto first_range = static_cast<std::size_t>(s.tables.units.range_begin[unit_index]);
  const auto num_ranges = static_cast<std::size_t>(s.tables.units.num_ranges[unit_index]);
  for (std::size_t i = first_range; i < first_range + num_ranges; ++i) {
    if (s.ranges[i].state != RangeState::kDone) continue;
    const auto values = s.intact_values(i, rows);
    if (values) std::ranges::move(s.items_of(i, *values), result.begin() + s.ranges[i].range.first_item);
  }
  return result;
}

std::optional<spec::RangeResult> Reader::read_range(std::size_t range_index) const {
  const State& s = *state_;
  check(range_index < s.ranges.size(), "a range index outside of the store");
  const StoredRange& stored = s.ranges[range_index];
  spec::RangeResult result{.items = {},
                           .error = "",
                           .seconds = stored.seconds,
                           .num_tokens_fed = stored.num_tokens_fed,
                           .flops = stored.flops};
  if (stored.state == RangeState::kFailed) {
    result.error = s.read_error(range_index);
  } else {
    const auto values = s.intact_values(range_index, s.read_rows(place_of_range(s.tables, range_index)));
    if (stored.state != RangeState::kDone || !values) return std::nullopt;
    for (auto& item : s.items_of(range_index, *values)) result.items.push_back(std::move(item));
  }
  return result;
}

std::vector<std::size_t> Reader::verify() const {
  const State& s = *state_;
  std::vector<std::size_t> damaged = s.damaged_rows;
  std::optional<Rows> rows;
  std::int32_t unit_of_rows = -1;
  for (std::size_t i = 0; i < s.ranges.size(); ++i) {
    if (s.ranges[i].state != RangeState::kDone) continue;
    if (const std::int32_t unit = s.ranges[i].range.unit_index; unit != unit_of_rows) {
      rows = s.read_rows(place_of_unit(s.tables, static_cast<std::size_t>(unit)));
      unit_of_rows = unit;
    }
    if (!s.intact_values(i, *rows)) damaged.push_back(i);
  }
  std::ranges::sort(damaged);
  return damaged;
}

}  // namespace catenary::store
