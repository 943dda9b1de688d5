#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catenary/spec/work_unit.h"
#include "catenary/store/schema.h"
#include "store/column_info.h"

namespace catenary::store {

/// The store's tables as they lie in the file, one vector a column; what is known before the first item is scored. The
/// names are those of docs/store-format.md. A `…_begin` is a row number of another table.
struct Tables {
  struct {
    std::vector<std::string> name, path, family;
    std::vector<std::int64_t> num_parameters, num_embedding_parameters;
    std::vector<double> training_tokens, training_flops;
    std::vector<std::string> weights_fingerprint, tokenizer_fingerprint;
  } models;
  struct {
    std::vector<std::string> name, path, format, fingerprint;
    std::vector<std::int64_t> item_begin, num_items, class_begin, num_classes;
  } tasks;
  struct {
    std::vector<std::int32_t> task_index;
    std::vector<std::int64_t> item;
    std::vector<std::int32_t> answer_index;
    std::vector<std::int64_t> class_begin;
    std::vector<std::int32_t> num_classes;
    std::vector<double> true_answer, anchor;
  } task_items;
  struct {
    std::vector<std::int64_t> item_index;
    std::vector<std::int32_t> class_index, num_bytes;
  } task_classes;
  struct {
    std::vector<std::string> name, kind;
    std::vector<std::int64_t> k;
    std::vector<std::uint64_t> seed;
    std::vector<std::string> exemplars, separator, definition;
  } conditions;
  struct {
    std::vector<std::string> id;
    std::vector<std::int32_t> model_index, task_index, condition_index;
    std::vector<std::int64_t> range_begin, num_ranges, item_begin, num_items, class_begin, num_classes;
    std::vector<std::int32_t> num_texts_per_item, num_bytes_per_text;
    std::vector<std::int64_t> text_begin, text_byte_begin;
  } units;
  struct {
    std::vector<std::int32_t> unit_index;
    std::vector<std::int64_t> first_item, num_items, class_begin, num_classes;
  } ranges;
  std::vector<std::string> spec;  // one row
};

/// Calls visit(ColumnInfo, vector) for every column, in the order in which layout_hash takes them.
template <class AnyTables, class Visit>
void for_each_column(AnyTables& tables, Visit visit) {
  auto& models = tables.models;
  visit(ColumnInfo{"models/name", "", "unique in the sweep"}, models.name);
  visit(ColumnInfo{"models/path", "", "folder or .gguf file the weights were read from"}, models.path);
  visit(ColumnInfo{"models/family", "", "curves are fitted per family"}, models.family);
  visit(ColumnInfo{"models/num_parameters", "", "parameters; the embedding counts, once when tied"},
        models.num_parameters);
  visit(ColumnInfo{"models/num_embedding_parameters", "",
                   "of those, embeddings of tokens and positions, and an untied head"},
        models.num_embedding_parameters);
  visit(ColumnInfo{"models/training_tokens", "tokens", "tokens seen in training; NaN when not known"},
        models.training_tokens);
  visit(
      ColumnInfo{"models/training_flops", "FLOP",
                 "as stated in the spec, else 6 x parameters that a token uses x training tokens; NaN when not known"},
      models.training_flops);
  visit(ColumnInfo{"models/weights_fingerprint", "", "hash of the weights"}, models.weights_fingerprint);
  visit(ColumnInfo{"models/tokenizer_fingerprint", "", "hash of the tokenizer"}, models.tokenizer_fingerprint);

  auto& tasks = tables.tasks;
  visit(ColumnInfo{"tasks/name", "", "unique in the sweep"}, tasks.name);
  visit(ColumnInfo{"tasks/path", "", "file the items were read from"}, tasks.path);
  visit(ColumnInfo{"tasks/format", "", "classification, sequence_prob, logodds, absolute_logodds, numeric"},
        tasks.format);
  visit(ColumnInfo{"tasks/fingerprint", "", "hash of the items"}, tasks.fingerprint);
  visit(ColumnInfo{"tasks/item_begin", "", "row of the task's first item in /task_items"}, tasks.item_begin);
  visit(ColumnInfo{"tasks/num_items", "", "number of items"}, tasks.num_items);
  visit(ColumnInfo{"tasks/class_begin", "", "row of the task's first class in /task_classes"}, tasks.class_begin);
  visit(ColumnInfo{"tasks/num_classes", "", "number of classes of all items together"}, tasks.num_classes);

  auto& items = tables.task_items;
  visit(ColumnInfo{"task_items/task_index", "", "row in /tasks"}, items.task_index);
  visit(ColumnInfo{"task_items/item", "", "position in the task file, from 0"}, items.item);
  visit(ColumnInfo{"task_items/answer_index", "", "class_index of the right answer"}, items.answer_index);
  visit(ColumnInfo{"task_items/class_begin", "", "row of the item's first class in /task_classes"}, items.class_begin);
  visit(ColumnInfo{"task_items/num_classes", "", "rows in /task_classes; for log-odds the classes twice"},
        items.num_classes);
  visit(ColumnInfo{"task_items/true_answer", "", "of a numeric item, else NaN"}, items.true_answer);
  visit(ColumnInfo{"task_items/anchor", "", "of a numeric item that has one, else NaN"}, items.anchor);

  auto& classes = tables.task_classes;
  visit(ColumnInfo{"task_classes/item_index", "", "row in /task_items"}, classes.item_index);
  visit(ColumnInfo{"task_classes/class_index", "", "position among the item's classes, from 0"}, classes.class_index);
  visit(ColumnInfo{"task_classes/num_bytes", "bytes", "UTF-8 bytes of the class, without white space before it"},
        classes.num_bytes);

  auto& conditions = tables.conditions;
  visit(ColumnInfo{"conditions/name", "", "unique in the sweep"}, conditions.name);
  visit(ColumnInfo{"conditions/kind", "", "zero_shot, few_shot, few_shot+instruct, ..."}, conditions.kind);
  visit(ColumnInfo{"conditions/k", "", "number of exemplars"}, conditions.k);
  visit(ColumnInfo{"conditions/seed", "", "seed of the exemplars' draw"}, conditions.seed);
  visit(ColumnInfo{"conditions/exemplars", "", "fixed, per_item; empty for zero_shot"}, conditions.exemplars);
  visit(ColumnInfo{"conditions/separator", "", "text after each exemplar"}, conditions.separator);
  visit(ColumnInfo{"conditions/definition", "", "all of it, but for the chat template, as JSON"},
        conditions.definition);

  auto& units = tables.units;
  visit(ColumnInfo{"units/id", "", "hash of weights, tokenizer, items, condition and numerics"}, units.id);
  visit(ColumnInfo{"units/model_index", "", "row in /models"}, units.model_index);
  visit(ColumnInfo{"units/task_index", "", "row in /tasks"}, units.task_index);
  visit(ColumnInfo{"units/condition_index", "", "row in /conditions"}, units.condition_index);
  visit(ColumnInfo{"units/range_begin", "", "row of the unit's first range in /ranges"}, units.range_begin);
  visit(ColumnInfo{"units/num_ranges", "", "number of ranges"}, units.num_ranges);
  visit(ColumnInfo{"units/item_begin", "", "row of the unit's first item in /items"}, units.item_begin);
  visit(ColumnInfo{"units/num_items", "", "rows in /items; they follow the task's rows in /task_items"},
        units.num_items);
  visit(ColumnInfo{"units/class_begin", "", "row of the unit's first class in /scores"}, units.class_begin);
  visit(ColumnInfo{"units/num_classes", "", "rows in /scores; they follow the task's rows in /task_classes"},
        units.num_classes);
  visit(ColumnInfo{"units/num_texts_per_item", "", "texts that the model generates for an item"},
        units.num_texts_per_item);
  visit(ColumnInfo{"units/num_bytes_per_text", "bytes", "room in /text_bytes for each, shared within a range"},
        units.num_bytes_per_text);
  visit(ColumnInfo{"units/text_begin", "", "row of the unit's first text in /texts"}, units.text_begin);
  visit(ColumnInfo{"units/text_byte_begin", "", "row of the unit's first byte in /text_bytes"}, units.text_byte_begin);

  auto& ranges = tables.ranges;
  visit(ColumnInfo{"ranges/unit_index", "", "row in /units"}, ranges.unit_index);
  visit(ColumnInfo{"ranges/first_item", "", "first item, counted within the unit from 0"}, ranges.first_item);
  visit(ColumnInfo{"ranges/num_items", "", "number of items"}, ranges.num_items);
  visit(ColumnInfo{"ranges/class_begin", "", "row of the range's first class in /scores"}, ranges.class_begin);
  visit(ColumnInfo{"ranges/num_classes", "", "rows in /scores"}, ranges.num_classes);

  visit(ColumnInfo{"spec", "", "the sweep spec, verbatim (JSON); one row"}, tables.spec);
}

using ErrorText = FixedText<512>;
using HostText = FixedText<64>;
using VersionText = FixedText<32>;
inline constexpr std::size_t kNumRunRows = 256;

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Describes a column that the ranks write, and what stands in it until they do.
template <class T>
struct ResultInfo {
  ColumnInfo info;
  T pending;
};

inline constexpr ResultInfo<double> kLogLikelihood{
    {"scores/log_likelihood", "nats", "sum over the continuation's tokens; NaN until measured"}, kNaN};
inline constexpr ResultInfo<std::int32_t> kNumTokens{
    {"scores/num_tokens", "tokens", "tokens of the continuation; -1 until measured"}, -1};
inline constexpr ResultInfo<std::uint8_t> kIsGreedy{
    {"scores/is_greedy", "", "1 where every token of the continuation is the argmax, else 0; 255 until measured"}, 255};

inline constexpr ResultInfo<std::uint8_t> kIsTruncated{
    {"items/is_truncated", "", "1 where the prompt was cut to the model's context, else 0; 255 until measured"}, 255};

inline constexpr ResultInfo<std::int64_t> kTextBegin{
    {"texts/begin", "", "row of the text's first byte in /text_bytes; -1 until generated"}, -1};
inline constexpr ResultInfo<std::int32_t> kTextNumBytes{
    {"texts/num_bytes", "bytes", "UTF-8 bytes of the text as stored; -1 until generated"}, -1};
inline constexpr ResultInfo<std::int32_t> kTextNumTokens{
    {"texts/num_tokens", "tokens", "tokens generated, also those that were not stored; -1 until generated"}, -1};
inline constexpr ResultInfo<std::uint8_t> kTextIsCut{
    {"texts/is_cut", "", "1 where there was no room for the text's end, else 0; 255 until generated"}, 255};
inline constexpr ResultInfo<std::uint8_t> kTextBytes{
    {"text_bytes", "", "the bytes of all texts; which are whose is in /texts"}, 0};

inline constexpr ResultInfo<std::uint8_t> kState{{"ranges/state", "", "0 pending, 1 done, 2 failed"}, 0};
inline constexpr ResultInfo<std::uint32_t> kChecksum{
    {"ranges/checksum", "", "of the range's rows in /scores, /items and /texts, and of its texts"}, 0};
inline constexpr ResultInfo<std::int32_t> kRunIndex{
    {"ranges/run_index", "", "row in /runs of the run that computed it; -1 until then"}, -1};
inline constexpr ResultInfo<std::int32_t> kOwnerRank{
    {"ranges/owner_rank", "", "MPI rank that computed it; -1 until then"}, -1};
inline constexpr ResultInfo<double> kSeconds{{"ranges/seconds", "s", "wall time of scoring; NaN until done"}, kNaN};
inline constexpr ResultInfo<std::int64_t> kNumTokensFed{
    {"ranges/num_tokens_fed", "tokens", "tokens that went through the model; -1 until done"}, -1};
inline constexpr ResultInfo<std::int64_t> kNumItemsTruncated{
    {"ranges/num_items_truncated", "", "items whose prompt was cut to the model's context; -1 until done"}, -1};
inline constexpr ResultInfo<double> kFlops{
    {"ranges/flops", "FLOP", "of the model's weights with these tokens, without attention; NaN until done"}, kNaN};
inline constexpr ResultInfo<double> kFinished{
    {"ranges/finished", "s", "when, in seconds since 1970-01-01 UTC; NaN until then"}, kNaN};
inline constexpr ResultInfo<ErrorText> kError{{"ranges/error", "", "why it failed; empty unless state is failed"}, {}};
inline constexpr ResultInfo<std::uint32_t> kRecordChecksum{
    {"ranges/record_checksum", "", "of what this row says of the result"}, 0};

inline constexpr ResultInfo<double> kRunStarted{
    {"runs/started", "s", "when, in seconds since 1970-01-01 UTC; NaN in a row that is not used"}, kNaN};
inline constexpr ResultInfo<double> kRunFinished{
    {"runs/finished", "s", "when; NaN where the run did not end by itself"}, kNaN};
inline constexpr ResultInfo<std::int32_t> kRunNumRanks{{"runs/num_ranks", "", "MPI ranks"}, -1};
inline constexpr ResultInfo<HostText> kRunHost{{"runs/host", "", "where rank 0 ran"}, {}};
inline constexpr ResultInfo<VersionText> kRunCatenaryVersion{{"runs/catenary_version", "", "of the program"}, {}};
inline constexpr ResultInfo<VersionText> kRunLibtorchVersion{{"runs/libtorch_version", "", "that the program used"},
                                                             {}};
inline constexpr ResultInfo<std::uint32_t> kRunChecksum{{"runs/checksum", "", "of this row"}, 0};

/// Rows of the groups that the ranks write.
struct NumResults {
  std::size_t scores = 0, items = 0, texts = 0, text_bytes = 0, ranges = 0;
};
NumResults num_results(const Tables& tables);

/// Calls visit(ResultInfo, num_rows) for every column that the ranks write.
template <class Visit>
void for_each_result_column(const NumResults& num, Visit visit) {
  visit(kLogLikelihood, num.scores);
  visit(kNumTokens, num.scores);
  visit(kIsGreedy, num.scores);
  visit(kIsTruncated, num.items);
  visit(kTextBegin, num.texts);
  visit(kTextNumBytes, num.texts);
  visit(kTextNumTokens, num.texts);
  visit(kTextIsCut, num.texts);
  visit(kTextBytes, num.text_bytes);
  visit(kState, num.ranges);
  visit(kChecksum, num.ranges);
  visit(kRunIndex, num.ranges);
  visit(kOwnerRank, num.ranges);
  visit(kSeconds, num.ranges);
  visit(kNumTokensFed, num.ranges);
  visit(kNumItemsTruncated, num.ranges);
  visit(kFlops, num.ranges);
  visit(kFinished, num.ranges);
  visit(kError, num.ranges);
  visit(kRecordChecksum, num.ranges);
  visit(kRunStarted, kNumRunRows);
  visit(kRunFinished, kNumRunRows);
  visit(kRunNumRanks, kNumRunRows);
  visit(kRunHost, kNumRunRows);
  visit(kRunCatenaryVersion, kNumRunRows);
  visit(kRunLibtorchVersion, kNumRunRows);
  visit(kRunChecksum, kNumRunRows);
}

/// What a row of /ranges says of its result.
struct RangeRecord {
  RangeState state = RangeState::kPending;
  std::uint32_t checksum = 0;
  std::int32_t run_index = -1;
  std::int32_t owner_rank = -1;
  double seconds = kNaN;
  std::int64_t num_tokens_fed = -1;
  std::int64_t num_items_truncated = -1;
  double flops = kNaN;
  double finished = kNaN;
};

/// What is stored of consecutive items, a vector a column; `text_bytes` are those of the texts, one after the other.
struct Values {
  std::vector<double> log_likelihood;
  std::vector<std::int32_t> num_tokens;
  std::vector<std::uint8_t> is_greedy;
  std::vector<std::uint8_t> is_truncated;
  std::vector<std::int32_t> text_num_bytes, text_num_tokens;
  std::vector<std::uint8_t> text_is_cut;
  std::string text_bytes;
};

/// Where a range's values begin in the result columns, and how many there are.
struct Place {
  std::size_t score_begin = 0, num_scores = 0;
  std::size_t item_begin = 0, num_items = 0;
  std::size_t text_begin = 0, num_texts = 0;
  std::size_t text_byte_begin = 0, num_text_bytes = 0;  // the room for its texts
};
Place place_of_range(const Tables& tables, std::size_t range_index);
Place place_of_unit(const Tables& tables, std::size_t unit_index);
/// A range's texts lie one after the other, from the beginning of its room.
std::vector<std::int64_t> text_begins(const Place& place, const Values& values);

/// The ranges of all units, cut from the layout alone.
std::vector<spec::ItemRange> cut_into_ranges(const Layout& layout);

/// The tables of a layout with these ranges. The layout's indices must be right.
Tables tables_of(const Layout& layout, const std::vector<spec::ItemRange>& ranges);

/// The layout and the ranges that the tables hold, without what stands in root attributes. Nothing in the tables is
/// believed: throws StoreError that starts with `file` and names the column for every index that leads nowhere.
Layout layout_of(const Tables& tables, const std::string& file);
std::vector<spec::ItemRange> ranges_of(const Tables& tables);

/// The store's identity and integrity: hash of the root attributes that come from the layout and of all its tables.
std::string layout_hash(const Layout& layout, const Tables& tables);

/// See docs/store-format.md, "Checksums".
std::uint32_t values_checksum(const std::string& unit_id, std::int64_t first_item, const Values& values);
std::uint32_t record_checksum(const std::string& unit_id, std::int64_t first_item, const RangeRecord& record);
/// `host` and versions as they are stored: cut to their width.
std::uint32_t run_checksum(const Run& run);

/// What two layouts have under the same name and yet otherwise: numerics, models, tasks, conditions, units. The names
/// of the layouts are for the messages. Empty if both may lie in one store.
std::vector<std::string> conflicts(const Layout& a, const std::string& name_a, const Layout& b,
                                   const std::string& name_b);

/// Why a sweep of layout `wanted` cannot go on with what a store of layout `stored` holds; empty if it can. It may have
/// more models, tasks and conditions, in another order; paths, the spec's text and provenance may differ.
std::vector<std::string> difference(const Layout& stored, const Layout& wanted);

/// Whether it can go on in the same file: nothing is added, and all is in the same order.
bool is_same_grid(const Layout& stored, const Layout& wanted);

}  // namespace catenary::store
