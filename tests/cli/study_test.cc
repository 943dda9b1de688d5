#include "cli/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

const fs::path kDemo = fs::path(CATENARY_SOURCE_DIR) / "jobs/demo";

std::string spec_with(const std::string& models) {
  return R"({"name": "s", "conditions": [{"name": "z", "kind": "zero_shot"}], "models": )" + models +
         R"(, "tasks": [{"name": "t", "path": ")" + (kDemo / "tasks/recall.jsonl").string() + R"("}]})";
}

store::Layout layout_of(const Study& study) {
  const std::size_t num_models = study.checkpoints.size();
  return make_layout(study, std::vector<ModelFingerprint>(num_models), std::vector<int>(num_models, 1), {}, {});
}

TEST(Study, a_ladder_below_a_root_is_read_and_its_training_flops_are_filled_in) {
  const test::TemporaryFolder folder;
  const auto spec = folder.write("sweep.json", spec_with(R"([{"ladder": "pythia", "root": "hub",
                                                              "members": ["pythia-70m", "pythia-160m"]}])"));
  fs::create_directory(folder.path() / "hub");
  fs::create_directory_symlink(kDemo / "models/demo-13k", folder.path() / "hub/pythia-70m");
  fs::create_directory_symlink(kDemo / "models/demo-31k", folder.path() / "hub/pythia-160m");
  const Study study = read_study(spec);
  ASSERT_EQ(study.checkpoints.size(), 2u);
  const store::Layout layout = layout_of(study);
  for (const store::ModelRow& model : layout.models) {
    EXPECT_EQ(model.family, "pythia");
    EXPECT_EQ(model.training_tokens, 299892736000);
    EXPECT_EQ(model.training_flops, 6.0 * static_cast<double>(model.num_parameters) * 299892736000);
  }
  EXPECT_EQ(layout.models[0].name, "pythia-70m");
  EXPECT_EQ(layout.models[0].num_parameters, study.checkpoints[0].num_parameters());
}

TEST(Study, folders_that_a_ladder_lacks_are_told_together_with_how_to_get_them) {
  const test::TemporaryFolder folder;
  const auto spec = folder.write(
      "sweep.json",
      spec_with(R"([{"ladder": "pythia", "root": "hub", "members": ["pythia-70m", "pythia-160m", "pythia-1b"]}])"));
  fs::create_directory(folder.path() / "hub");
  fs::create_directory_symlink(kDemo / "models/demo-13k", folder.path() / "hub/pythia-70m");
  const std::string text = test::message_of<SpecError>([&] { read_study(spec); });
  const std::string hub = (folder.path() / "hub").string();
  EXPECT_EQ(text, spec.string() + ": /models/0/root: no such folders; to get them from Hugging Face:\n" +
                      "  hf download EleutherAI/pythia-160m --local-dir " + hub + "/pythia-160m\n" +
                      "  hf download EleutherAI/pythia-1b --local-dir " + hub + "/pythia-1b");
}

TEST(Study, stated_training_flops_stand_and_unknown_ones_are_not_a_number) {
  const test::TemporaryFolder folder;
  const std::string path = R"("path": ")" + (kDemo / "models/demo-13k").string() + '"';
  const Study study = read_study(
      folder.write("sweep.json", spec_with(R"([{"name": "a", "training_flops": 1e15, "training_tokens": 5, )" + path +
                                           R"(}, {"name": "b", )" + path + "}]")));
  const store::Layout layout = layout_of(study);
  EXPECT_EQ(layout.models[0].training_flops, 1e15);
  EXPECT_EQ(layout.models[0].training_tokens, 5);
  EXPECT_TRUE(std::isnan(layout.models[1].training_flops));
}

const std::string kSource = CATENARY_SOURCE_DIR;

// A study of one model and one task under one condition, given as JSON.
store::Layout layout_of(const test::TemporaryFolder& folder, const std::string& task, const std::string& condition,
                        int tensor_parallel_size = 1) {
  const auto path = folder.write(
      "sweep.json", R"({"name": "s", "models": [{"name": "m", "path": ")" + kSource +
                        R"(/jobs/demo/models/demo-13k"}], "tasks": [{"name": "t", "path": ")" + kSource +
                        "/tests/reference/task/" + task + R"(}], "conditions": [{"name": "c", )" + condition + "}]}");
  return make_layout(read_study(path), {{"weights", "tokenizer"}}, {tensor_parallel_size}, {"float32", "cpu"}, {});
}

TEST(Study, whatever_changes_a_prompt_or_what_is_scored_changes_the_unit) {
  const test::TemporaryFolder folder;
  const auto a = folder.write("a.jinja", "{{ messages[0].content }} .").string();
  const auto b = folder.write("b.jinja", "{{ messages[0].content }} ?").string();
  const std::string logodds = R"(logodds.jsonl")";
  const std::string few_shot = R"("kind": "few_shot", "k": 2)";
  std::set<std::string> ids;
  std::size_t num_studies = 0;
  const auto add = [&](const std::string& task, const std::string& condition) {
    ids.insert(layout_of(folder, task, condition).units.at(0).id);
    EXPECT_EQ(ids.size(), ++num_studies) << task << " " << condition;
  };
  add(logodds, R"("kind": "zero_shot")");
  add(logodds + R"(, "format": "absolute_logodds")", R"("kind": "zero_shot")");
  add(logodds + R"(, "format": "classification")", R"("kind": "zero_shot")");
  add(logodds + R"(, "limit": 3)", R"("kind": "zero_shot")");
  add(logodds, few_shot);
  add(logodds + R"(, "exemplars": ")" + kSource + R"(/tests/reference/task/classification.jsonl")", few_shot);
  for (const char* more : {R"("seed": 1)", R"("exemplars": "in_order")", R"("labels": "balanced")",
                           R"("answers": "wrong")", R"("separator": "\n")"}) {
    add(logodds, few_shot + ", " + more);
  }
  add(logodds, R"("kind": "instruct", "chat_template": ")" + a + "\"");
  add(logodds, R"("kind": "instruct", "chat_template": ")" + b + "\"");
  add(logodds, R"("kind": "instruct", "system": "S", "chat_template": ")" + b + "\"");
  ids.insert(layout_of(folder, logodds, R"("kind": "zero_shot")", /*tensor_parallel_size=*/2).units.at(0).id);
  EXPECT_EQ(ids.size(), ++num_studies);
  // Where a template lies does not matter, and neither does a condition's name.
  std::filesystem::create_directory(folder.path() / "other");
  std::filesystem::copy(b, folder.path() / "other/c.jinja");
  ids.insert(layout_of(folder, logodds, R"("kind": "instruct", "chat_template": "other/c.jinja")").units[0].id);
  EXPECT_EQ(ids.size(), num_studies);
}

TEST(Study, log_odds_has_its_classes_twice_in_the_store) {
  const test::TemporaryFolder folder;
  const auto task = layout_of(folder, R"(logodds.jsonl")", R"("kind": "zero_shot")").tasks.at(0);
  EXPECT_EQ(task.format, "logodds");
  EXPECT_EQ(task.items.at(0).class_num_bytes, (std::vector<std::int32_t>{3, 2, 3, 2}));
  EXPECT_EQ(task.items.at(1).answer_index, 1);
  const auto sequence = layout_of(folder, R"(sequence_prob.jsonl")", R"("kind": "zero_shot")").tasks.at(0);
  EXPECT_EQ(sequence.items.at(0).class_num_bytes, (std::vector<std::int32_t>{5}));  // "worm."
}

}  // namespace
}  // namespace catenary::cli
