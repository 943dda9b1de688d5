#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
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
    std::vector<std::int32_t> tensor_parallel_size;
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
  visit(ColumnInfo{"models/tensor_parallel_size", "", "ranks that held the model together"},
        models.tensor_parallel_size);

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

/// The columns that the ranks write; `Of<T>` is what is kept of a column of Ts.
template <template <class> class Of>
struct ResultColumns {
  Of<double> log_likelihood;
  Of<std::int32_t> num_tokens;
  Of<std::uint8_t> is_greedy, is_truncated;
  Of<std::int64_t> text_begin;
  Of<std::int32_t> text_num_bytes, text_num_tokens;
  Of<std::uint8_t> text_is_cut, text_bytes;
  Of<std::uint8_t> state;
  Of<std::uint32_t> checksum;
  Of<std::int32_t> run_index, owner_rank;
  Of<double> seconds;
  Of<std::int64_t> num_tokens_fed, num_items_truncated;
  Of<double> flops, finished;
  Of<ErrorText> error;
  Of<std::uint32_t> record_checksum;
  Of<double> run_started, run_finished;
  Of<std::int32_t> run_num_ranks;
  Of<HostText> run_host;
  Of<VersionText> run_catenary_version, run_libtorch_version;
  Of<std::uint32_t> run_checksum;
};

/// What a user is told of such a column, how many rows it has, and what stands in them until a rank writes.
template <class T>
struct ResultInfo {
  ColumnInfo info;
  std::size_t num_rows = 0;
  T pending;
};

/// Rows of the groups that the ranks write.
struct NumResults {
  std::size_t scores = 0, items = 0, texts = 0, text_bytes = 0, ranges = 0;
};
NumResults num_results(const Tables& tables);

/// Calls visit(Of<T>&, ResultInfo<T>) for every column that the ranks write.
template <template <class> class Of, class Visit>
void for_each_result_column(ResultColumns<Of>& columns, const NumResults& num, Visit visit) {
  const auto see = [&visit]<class T>(Of<T>& column, ColumnInfo info, std::size_t num_rows,
                                     std::type_identity_t<T> pending) {
    visit(column, ResultInfo<T>{info, num_rows, pending});
  };
  see(columns.log_likelihood,
      {"scores/log_likelihood", "nats", "sum over the continuation's tokens; NaN until measured"}, num.scores, kNaN);
  see(columns.num_tokens, {"scores/num_tokens", "tokens", "tokens of the continuation; -1 until measured"}, num.scores,
      -1);
  see(columns.is_greedy,
      {"scores/is_greedy", "", "1 where every token of the continuation is the argmax, else 0; 255 until measured"},
      num.scores, 255);
  see(columns.is_truncated,
      {"items/is_truncated", "",
       "1 where the prompt, or what the model wrote, was cut to the model's context, else 0; 255 until measured"},
      num.items, 255);
  see(columns.text_begin, {"texts/begin", "", "row of the text's first byte in /text_bytes; -1 until generated"},
      num.texts, -1);
  see(columns.text_num_bytes, {"texts/num_bytes", "bytes", "UTF-8 bytes of the text as stored; -1 until generated"},
      num.texts, -1);
  see(columns.text_num_tokens,
      {"texts/num_tokens", "tokens", "tokens generated, also those that were not stored; -1 until generated"},
      num.texts, -1);
  see(columns.text_is_cut,
      {"texts/is_cut", "", "1 where there was no room for the text's end, else 0; 255 until generated"}, num.texts,
      255);
  see(columns.text_bytes, {"text_bytes", "", "the bytes of all texts; which are whose is in /texts"}, num.text_bytes,
      0);
  see(columns.state, {"ranges/state", "", "0 pending, 1 done, 2 failed"}, num.ranges, 0);
  see(columns.checksum, {"ranges/checksum", "", "of the range's rows in /scores, /items and /texts, and of its texts"},
      num.ranges, 0);
  see(columns.run_index, {"ranges/run_index", "", "row in /runs of the run that computed it; -1 until then"},
      num.ranges, -1);
  see(columns.owner_rank, {"ranges/owner_rank", "", "MPI rank that computed it; -1 until then"}, num.ranges, -1);
  see(columns.seconds, {"ranges/seconds", "s", "wall time of scoring; NaN until done"}, num.ranges, kNaN);
  see(columns.num_tokens_fed, {"ranges/num_tokens_fed", "tokens", "tokens that went through the model; -1 until done"},
      num.ranges, -1);
  see(columns.num_items_truncated,
      {"ranges/num_items_truncated", "", "items that were cut to the model's context; -1 until done"}, num.ranges, -1);
  see(columns.flops,
      {"ranges/flops", "FLOP", "of the model's weights with these tokens, without attention; NaN until done"},
      num.ranges, kNaN);
  see(columns.finished, {"ranges/finished", "s", "when, in seconds since 1970-01-01 UTC; NaN until then"}, num.ranges,
      kNaN);
  see(columns.error, {"ranges/error", "", "why it failed; empty unless state is failed"}, num.ranges, {});
  see(columns.record_checksum, {"ranges/record_checksum", "", "of what this row says of the result"}, num.ranges, 0);
  see(columns.run_started,
      {"runs/started", "s", "when, in seconds since 1970-01-01 UTC; NaN in a row that is not used"}, kNumRunRows, kNaN);
  see(columns.run_finished, {"runs/finished", "s", "when; NaN where the run did not end by itself"}, kNumRunRows, kNaN);
  see(columns.run_num_ranks, {"runs/num_ranks", "", "MPI ranks"}, kNumRunRows, -1);
  see(columns.run_host, {"runs/host", "", "where rank 0 ran"}, kNumRunRows, {});
  see(columns.run_catenary_version, {"runs/catenary_version", "", "of the program"}, kNumRunRows, {});
  see(columns.run_libtorch_version, {"runs/libtorch_version", "", "that the program used"}, kNumRunRows, {});
  see(columns.run_checksum, {"runs/checksum", "", "of this row"}, kNumRunRows, 0);
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
/// believed: throws StoreError that starts with `file` and names the column for an index that leads nowhere, an item
/// that cannot be, and results for which a file of `num_file_bytes` has no room.
Layout layout_of(const Tables& tables, const std::string& file, std::uint64_t num_file_bytes);
std::vector<spec::ItemRange> ranges_of(const Tables& tables);

}  // namespace catenary::store
