#include "store/compare_layouts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "store/example.h"

namespace catenary::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Layout kLayout = example_layout(100);

TEST(CompareLayouts, whatever_scores_depend_on_is_told) {
  const std::vector<std::pair<const char*, std::function<void(Layout&)>>> changes{
      {"sweep name: 'example' in the store, 'other' in the spec", [](Layout& l) { l.sweep_name = "other"; }},
      {"dtype", [](Layout& l) { l.numerics.dtype = "bfloat16"; }},
      {"device", [](Layout& l) { l.numerics.device_kind = "cuda"; }},
      {"threads a rank", [](Layout& l) { l.numerics.threads_per_rank = 2; }},
      {"model 'small', family", [](Layout& l) { l.models[0].family = "other"; }},
      {"model 'small', num_parameters", [](Layout& l) { ++l.models[0].num_parameters; }},
      {"model 'small', num_embedding_parameters", [](Layout& l) { ++l.models[0].num_embedding_parameters; }},
      {"model 'small', training_tokens", [](Layout& l) { l.models[0].training_tokens = std::nan(""); }},
      {"model 'größer', training_flops", [](Layout& l) { l.models[1].training_flops = 1; }},
      {"model 'small', weights' fingerprint", [](Layout& l) { l.models[0].weights_fingerprint = "x"; }},
      {"model 'small', tokenizer's fingerprint", [](Layout& l) { l.models[0].tokenizer_fingerprint = "x"; }},
      {"model 'small', tensor_parallel_size", [](Layout& l) { l.models[0].tensor_parallel_size = 2; }},
      {"task 'ragged', format", [](Layout& l) { l.tasks[1].format = "logodds"; }},
      {"task 'ragged', number of items", [](Layout& l) { l.tasks[1].items.pop_back(); }},
      {"task 'ragged', items' fingerprint", [](Layout& l) { l.tasks[1].fingerprint = "x"; }},
      {"task 'ragged', its items differ", [](Layout& l) { l.tasks[1].items[0].answer_index = 1; }},
      {"condition 'five', kind", [](Layout& l) { l.conditions[1].kind = "instruct"; }},
      {"condition 'five', k", [](Layout& l) { l.conditions[1].k = 4; }},
      {"condition 'five', seed", [](Layout& l) { l.conditions[1].seed = 18; }},
      {"condition 'five', exemplars", [](Layout& l) { l.conditions[1].exemplars = "per_item"; }},
      {"condition 'five', separator", [](Layout& l) { l.conditions[1].separator = "\n"; }},
      {"condition 'five', definition", [](Layout& l) { l.conditions[1].definition = "{}"; }},
      {"unit small x ragged x five, id", [](Layout& l) { l.units[3].id = "x"; }},
      {"unit small x ragged x five, texts an item", [](Layout& l) { l.units[3].num_texts_per_item = 1; }},
      {"unit small x ragged x five, room for a text", [](Layout& l) { l.units[3].num_bytes_per_text = 1; }},
      {"the store has model 'größer', which the spec lacks", [](Layout& l) { l.models[1].name = "x"; }},
      {"the store has task 'ragged', which the spec lacks", [](Layout& l) { l.tasks[1].name = "x"; }},
      {"the store has condition 'five', which the spec lacks", [](Layout& l) { l.conditions[1].name = "x"; }}};
  EXPECT_THAT(difference(kLayout, kLayout), IsEmpty());
  for (const auto& [told, change] : changes) {
    Layout changed = kLayout;
    change(changed);
    EXPECT_THAT(difference(kLayout, changed), ElementsAre(HasSubstr(told)));
  }
}

TEST(CompareLayouts, other_numerics_hide_no_other_difference_and_bring_none) {
  Layout changed = kLayout;
  changed.numerics.dtype = "bfloat16";
  changed.models[0].weights_fingerprint = "x";
  for (spec::WorkUnit& unit : changed.units) unit.id += "x";
  EXPECT_THAT(difference(kLayout, changed), ElementsAre(HasSubstr("dtype"), HasSubstr("weights' fingerprint")));
}

TEST(CompareLayouts, where_things_lie_and_who_computed_them_does_not_matter) {
  Layout moved = kLayout;
  moved.models[0].path = "/elsewhere";
  moved.tasks[0].path = "elsewhere.jsonl";
  moved.provenance = {"0.2.0", "2.12.0", "another", "2026-11-23T06:00:00Z"};
  moved.spec_text = "{}";
  EXPECT_THAT(difference(kLayout, moved), IsEmpty());
  EXPECT_TRUE(is_same_grid(kLayout, moved));
}

}  // namespace
}  // namespace catenary::store
