#include "catenary/analysis/table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "catenary/analysis/ladder.h"
#include "catenary/analysis/regression.h"
#include "catenary/analysis/report.h"
#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::analysis {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TableTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) { return folder_.write(name, text); }
  std::string error_of(const std::string& text) {
    try {
      read_table(write("bad.csv", text));
    } catch (const DataError& e) {
      return e.what();
    }
    return "";
  }
  test::TemporaryFolder folder_;
};

TEST_F(TableTest, a_long_table_gives_a_series_a_metric_and_model) {
  const Table table = read_table(write("t.csv",
                                       "task,model,num_parameters,item,loss,correct,log_odds,remark\n"
                                       "\"a, b\",small,1e6,2,0.5,1,,x\n"
                                       "\"a, b\",small,1e6,0,1.5,0,,\n"
                                       "\"a, b\",large,1e9,0,0.25,1,,\n"
                                       "\"a, b\",large,1e9,2,0.75,true,,\n\n"));
  ASSERT_EQ(table.series.size(), 4u);
  EXPECT_THAT(table.problems, IsEmpty());
  const Series& loss = table.series[0];
  EXPECT_EQ(loss.task, "a, b");
  EXPECT_EQ(loss.condition, "all");
  EXPECT_EQ(loss.metric.name, "loss");
  EXPECT_EQ(loss.metric.direction, Direction::kLowerIsBetter);
  EXPECT_THAT(loss.items, ElementsAre(0, 2));
  EXPECT_THAT(loss.values, ElementsAre(1.5, 0.5));
  EXPECT_EQ(loss.value, 1);
  EXPECT_NEAR(loss.standard_error, 0.5, 1e-15);  // sqrt((0.25 + 0.25) / (2 * 1))
  EXPECT_EQ(table.series[3].metric.name, "accuracy");
  EXPECT_EQ(table.series[3].value, 1);
  EXPECT_GT(table.series[3].standard_error, 0);
}

TEST(Metric, direction_and_kind_come_from_whole_words) {
  for (const char* name : {"loss", "eval_loss", "word_perplexity", "ppl", "word_perplexity,none", "error-rate", "wer",
                           "brier_score", "bits_per_byte", "pct_stereotype"}) {
    EXPECT_EQ(describe_metric(name).direction, Direction::kLowerIsBetter) << name;
    EXPECT_TRUE(describe_metric(name).is_direction_known) << name;
  }
  for (const char* name : {"acc", "acc_norm,none", "accuracy", "exact_match", "pct_right", "mc1", "pass@1"}) {
    EXPECT_EQ(describe_metric(name).direction, Direction::kHigherIsBetter) << name;
    EXPECT_TRUE(describe_metric(name).is_proportion) << name;
  }
  for (const char* name : {"answer_f1", "rouge1", "rougeL", "bleu", "log_odds"}) {
    EXPECT_EQ(describe_metric(name).direction, Direction::kHigherIsBetter) << name;
    EXPECT_TRUE(describe_metric(name).is_direction_known) << name;
    EXPECT_FALSE(describe_metric(name).is_proportion) << name;
  }
  for (const char* name : {"power", "glossary_score", "terror", "vacc", "tracce"}) {
    EXPECT_EQ(describe_metric(name).direction, Direction::kHigherIsBetter) << name;
    EXPECT_FALSE(describe_metric(name).is_direction_known) << name;
  }
}

TEST_F(TableTest, rows_that_cannot_be_used_are_told_and_left_out) {
  const Table table = read_table(write("t.csv",
                                       "task,model,num_parameters,item,loss\n"
                                       "t,m,1e6,0,0.5\nt,m,1e6,1,nan\nt,m,1e6,0,0.7\nt,m,1e6,3,0.6\nt,m,1e6,4,inf\n"));
  ASSERT_EQ(table.series.size(), 1u);
  EXPECT_THAT(table.series[0].items, ElementsAre(0, 3));
  EXPECT_THAT(table.series[0].values, ElementsAre(0.5, 0.6));
  EXPECT_THAT(table.problems, ElementsAre(AllOf(HasSubstr("t all m loss"), HasSubstr("1 rows repeat an item")),
                                          HasSubstr("2 items without a finite number")));
}

TEST_F(TableTest, all_mistakes_are_told_with_their_lines) {
  EXPECT_THAT(error_of("task,model,num_parameters,item,loss,correct\nt,m,1e6,0,abc,1\nt,m,1e6,1,0.5,maybe\nt,m\n"),
              AllOf(HasSubstr("bad.csv: line 2, column loss: expected a number, found \"abc\""),
                    HasSubstr("line 3, column correct: expected 0 or 1, found \"maybe\""), HasSubstr("4")));
  EXPECT_THAT(error_of("model,item,loss\n"),
              AllOf(HasSubstr("expected a column task"), HasSubstr("num_parameters or training_flops")));
  EXPECT_THAT(error_of("task,model,num_parameters\n"), HasSubstr("expected a column loss, correct or log_odds"));
  EXPECT_THAT(error_of(""), HasSubstr("bad.csv"));
  EXPECT_THAT(error_of("task,model,num_parameters,loss\n" + std::string(20'000'000, 'x') + "\n"), HasSubstr("bad.csv"));
  EXPECT_THROW(read_table(folder_.path() / "none.csv"), DataError);
}

TEST_F(TableTest, a_point_given_twice_is_told_whether_its_training_is_known_or_not) {
  const Table table = read_table(
      write("r.csv", "task,model,num_parameters,metric,value,standard_error\nt,a,1e6,acc,.5,.1\nt,a,1e6,acc,.5,.1\n"));
  const Ladder ladder = make_ladders(table, Scale::kParameters).at(0);
  EXPECT_EQ(ladder.points.size(), 1u);
  EXPECT_THAT(ladder.notes, ElementsAre("1 rows repeat a point and are left out"));
}

TEST_F(TableTest, a_summary_table_may_have_checkpoints_and_repeated_points) {
  const auto path = write("s.csv",
                          "task,family,model,num_parameters,training_tokens,metric,value,standard_error,n\n"
                          "t,f,a,1e6,1e9,acc,0.3,0.01,100\nt,f,a,1e6,2e9,acc,0.4,0.01,100\n"
                          "t,f,b,1e7,2e9,acc,0.5,0,100\nt,f,b,1e7,2e9,acc,0.5,0,100\nt,f,c,0,2e9,acc,0.6,0.01,100\n");
  const Table table = read_table(path);
  const Ladder by_size = make_ladders(table, Scale::kParameters).at(0);
  ASSERT_EQ(by_size.points.size(), 2u);
  EXPECT_EQ(by_size.points[0].point.value, 0.4);
  EXPECT_NEAR(by_size.points[1].point.standard_error, 0.049, 0.001);  // an error of 0 is none
  EXPECT_THAT(by_size.missing, ElementsAre(HasSubstr("c (its scale is 0)")));
  EXPECT_THAT(by_size.notes,
              AllOf(Contains("of each model the last checkpoint"), Contains(HasSubstr("1 rows repeat"))));
  const Ladder by_flops = make_ladders(table, Scale::kTrainingFlops).at(0);
  EXPECT_EQ(by_flops.points.size(), 3u);
  EXPECT_EQ(by_flops.points[0].point.scale, 6e15);
}

TEST_F(TableTest, lm_evaluation_harness_results_need_sizes) {
  write("results/m__a/results_2024-01-01.json", R"({"model_name": "m/a", "results": {"hellaswag":
    {"alias": "hellaswag", "acc,none": 0.4, "acc_stderr,none": 0.01, "acc_norm,none": 0.5, "acc_norm_stderr,none": 0.02}},
    "n-shot": {"hellaswag": 5}, "n-samples": {"hellaswag": {"original": 10042, "effective": 1000}},
    "higher_is_better": {"hellaswag": {"acc": true}}})");
  write("results/old.txt", "not a result");
  write("results/results_b.json", R"({"config": {"model": "hf", "model_args": "pretrained=m/b,dtype=float"},
    "results": {"hellaswag": {"acc": 0.6, "acc_stderr": 0.01}},
    "n-shot": {"hellaswag": 1e300}, "n-samples": {"hellaswag": {"effective": 1e300}}})");
  write("results/results_c.json", R"({"config": {"model_args": "pretrained=m/c"}, "results": {}})");
  const auto sizes = write("sizes.csv", "model,family,num_parameters\nm/a,m,1e9\nm/b,m,2e9\n");
  EXPECT_THROW(read_table(folder_.path() / "results"), SpecError);
  const Table table = read_table(folder_.path() / "results", sizes);
  ASSERT_EQ(table.series.size(), 3u);
  EXPECT_THAT(table.problems, ElementsAre(AllOf(HasSubstr("results_c.json"), HasSubstr("m/c"))));
  for (const Series& series : table.series) {
    if (series.model == "m/b") {  // its counts are no whole numbers
      EXPECT_EQ(series.condition, "zero_shot");
      EXPECT_EQ(series.n, 0);
    }
    if (series.model != "m/a" || series.metric.name != "acc") continue;
    EXPECT_EQ(series.condition, "few_shot_5");
    EXPECT_EQ(series.value, 0.4);
    EXPECT_EQ(series.standard_error, 0.01);
    EXPECT_EQ(series.n, 1000);
    EXPECT_EQ(series.num_parameters, 1e9);
  }
}

std::string long_table(const std::vector<std::string>& models, int num_items, const char* condition, double shift) {
  std::string rows;
  for (std::size_t m = 0; m < models.size(); ++m)
    for (int i = 0; i < num_items; ++i)
      rows += "t," + std::string(condition) + "," + models[m] + "," + std::to_string(1000 << (3 * m)) + "," +
              std::to_string(i) + "," + std::to_string(std::sin(i) + 0.3 * static_cast<double>(m) + shift) + "\n";
  return rows;
}

TEST_F(TableTest, ladders_use_the_items_that_all_models_have) {
  std::string text = "task,condition,model,num_parameters,item,loss\n" + long_table({"a", "b", "c"}, 100, "z", 0);
  for (int i = 0; i < 80; ++i) text += "t,z,d,64000000," + std::to_string(i) + "," + std::to_string(i) + "\n";
  for (int i = 0; i < 30; ++i) text += "t,z,e,65000000," + std::to_string(i) + "," + std::to_string(i) + "\n";
  const Ladder ladder = make_ladders(read_table(write("t.csv", text)), Scale::kParameters).at(0);
  EXPECT_EQ(ladder.items.size(), 80u);
  EXPECT_THAT(ladder.missing, Contains("e (it has 30 of 100 items)"));
  EXPECT_EQ(ladder.points[0].point.n, 80);
}

TEST_F(TableTest, what_has_no_error_is_no_point) {
  std::string text = "task,model,num_parameters,item,loss,correct\n";
  for (int i = 0; i < 50; ++i) text += "t,constant,1e6," + std::to_string(i) + ",0.1,1\n";
  for (int i = 0; i < 4; ++i) text += "t,few,1e7," + std::to_string(i) + "," + std::to_string(i) + ",0\n";
  const auto ladders = make_ladders(read_table(write("t.csv", text)), Scale::kParameters);
  ASSERT_EQ(ladders.size(), 2u);
  EXPECT_THAT(ladders[0].points, IsEmpty());
  EXPECT_THAT(ladders[0].missing, ElementsAre("constant (all its items have the same value, so it has no error)",
                                              "few (it has 4 items, and 5 are needed)"));
  EXPECT_EQ(ladders[1].points.size(), 1u);  // 50 of 50 correct is known to a few per cent
}

TEST_F(TableTest, a_comparison_sees_that_the_items_are_the_same) {
  // The same values, shifted by 0.5: the difference has no error at all, each alone has one of 0.07.
  const Table table = read_table(write("t.csv", "task,condition,model,num_parameters,item,loss\n" +
                                                    long_table({"a", "b", "c"}, 100, "zero", 0) +
                                                    long_table({"a", "b", "c"}, 100, "one", -0.5)));
  const auto ladders = make_ladders(table, Scale::kParameters);
  ASSERT_EQ(ladders.size(), 2u);
  const Ladder difference = subtract(ladders[1], ladders[0]);
  EXPECT_EQ(difference.condition, "one - zero");
  for (const LadderPoint& point : difference.points) {
    EXPECT_NEAR(point.point.value, -0.5, 1e-6);
    EXPECT_LT(point.point.standard_error, 1e-6);
  }
  EXPECT_GT(ladders[0].points[0].point.standard_error, 0.06);
}

TEST_F(TableTest, families_are_pooled_about_their_own_level) {
  std::string text = "task,family,model,num_parameters,metric,value,standard_error\n";
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i), scale = "1e" + std::to_string(6 + i);
    text += "t,f,f" + n + "," + scale + ",loss," + std::to_string(3 - 0.3 * i) + ",0.01\n";
    text += "t,g,g" + n + "," + scale + ",loss," + std::to_string(3.5 - 0.3 * i) + ",0.01\n";
  }
  const auto pooled = pool_families(make_ladders(read_table(write("t.csv", text)), Scale::kParameters));
  ASSERT_EQ(pooled.size(), 1u);
  EXPECT_EQ(pooled[0].points.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_NEAR(pooled[0].points[i].point.value, 3 - 0.3 * static_cast<double>(i / 2), 1e-6);
  EXPECT_THAT(pooled[0].notes, ElementsAre(HasSubstr("family g lies +0.500 ± 0.006 beside f")));
  EXPECT_EQ(judge(pooled[0]).verdict, Verdict::kPositive);
}

// binom.test(3, 17) in R, statsmodels' mcnemar(exact=True) and SciPy's binomtest(3, 17): 0.012725830078125.
TEST(Regression, mcnemar_is_the_exact_sign_test) {
  EXPECT_NEAR(mcnemar_p_value(3, 14), 0.012725830078125, 1e-14);
  EXPECT_NEAR(mcnemar_p_value(14, 3), 0.012725830078125, 1e-14);
  EXPECT_NEAR(mcnemar_p_value(0, 6), 0.03125, 1e-15);
  EXPECT_EQ(mcnemar_p_value(0, 0), 1);
  EXPECT_EQ(mcnemar_p_value(5, 5), 1);
}

TEST_F(TableTest, a_regression_is_found_among_what_did_not_change) {
  const auto table = [&](int num_broken) {
    std::string text = "task,model,num_parameters,item,correct\n";
    for (const char* model : {"a", "b"})
      for (int i = 0; i < 200; ++i)
        text += std::string("t,") + model + ",1e6," + std::to_string(i) +
                (i % 3 == 0 || (*model == 'b' && i % 3 == 1 && i < 3 * num_broken) ? ",0\n" : ",1\n");
    return read_table(write("r.csv", text));
  };
  const Changes changes = find_changes(table(0), table(12), {});
  ASSERT_EQ(changes.changes.size(), 2u);
  EXPECT_FALSE(changes.changes[0].is_regression);
  EXPECT_EQ(changes.changes[0].p_value, 1);
  const Change& b = changes.changes[1];
  EXPECT_TRUE(b.is_regression);
  EXPECT_EQ(b.down, 12);
  EXPECT_NEAR(b.p_value, std::pow(0.5, 11), 1e-12);
  EXPECT_NEAR(b.difference.value, -0.06, 1e-12);
  EXPECT_FALSE(find_changes(table(0), table(12), {.threshold = 0.1}).changes[1].is_regression);
  EXPECT_FALSE(find_changes(table(12), table(0), {}).changes[1].is_regression);  // it got better
}

TEST_F(TableTest, numbers_that_cannot_be_are_refused_with_their_lines) {
  EXPECT_THAT(error_of("task,model,num_parameters,metric,value,standard_error,n\n"
                       "t,a,1e6,m,1,1,1e300\nt,b,inf,m,1,1,\nt,c,1e8,m,1,1,-1\nt,d,1e9,m,1,1,9007199254740992\n"),
              AllOf(HasSubstr("line 2, column n: expected 1 to 2^53 items, found \"1e300\""),
                    HasSubstr("line 3, column num_parameters: expected a finite number, found \"inf\""),
                    HasSubstr("line 4, column n"), Not(HasSubstr("line 5"))));
  std::filesystem::create_directories(folder_.path() / "empty");
  const auto sizes = write("sizes.csv",
                           "model,family,num_parameters,training_tokens\n"
                           "a,f,1e6,abc\nb,f,inf,\nc,f,,1e9\nd,f,1e9,1e9\nd,f,1e9,1e9\ne,f,nan,\n");
  try {
    read_table(folder_.path() / "empty", sizes);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(),
                AllOf(HasSubstr("sizes.csv: line 2, column training_tokens: expected a number, found \"abc\""),
                      HasSubstr("line 3, column num_parameters: expected a finite number"),
                      HasSubstr("line 4, column num_parameters: expected a positive number, found \"\""),
                      HasSubstr("line 6: the model \"d\" is there twice"), Not(HasSubstr("line 5")),
                      HasSubstr("line 7, column num_parameters: expected a positive number, found \"nan\"")));
  }
}

TEST_F(TableTest, items_of_another_task_under_the_same_name_are_not_paired) {
  std::string text = "task,model,num_parameters,item,correct\n";
  for (const char* task : {"t", "u"})
    for (int i = 0; i < 20; ++i) text += fmt::format("{},m,1e6,{},{}\n", task, i, i % 2);
  Table before = read_table(write("r.csv", text)), after = before;
  before.series[0].task_fingerprint = "1";
  EXPECT_EQ(find_changes(before, after, {}).changes.size(), 2u);  // not known of the other
  after.series[0].task_fingerprint = "2";
  before.series[1].condition_definition = "{\"k\":1}";
  after.series[1].condition_definition = "{\"k\":2}";
  const Changes changes = find_changes(before, after, {});
  ASSERT_EQ(changes.changes.size(), 1u);
  EXPECT_EQ(changes.changes[0].task, "u");
  EXPECT_THAT(changes.lost, IsEmpty());
  EXPECT_THAT(changes.problems, ElementsAre(HasSubstr("t all m accuracy: not compared, the task's items are others"),
                                            HasSubstr("condition all: {\"k\":1} in r, {\"k\":2} in r")));
  before.series.pop_back();
  EXPECT_THROW(find_changes(before, after, {}), DataError);
}

TEST_F(TableTest, the_pilots_ladders_are_read) {
  const std::filesystem::path pilot = CATENARY_SHARED_DIR "/data/prize-pilot";
  if (!std::filesystem::exists(pilot)) GTEST_SKIP() << "no " << pilot;
  const auto ladders = make_ladders(read_table(pilot / "lambada.csv"), Scale::kParameters);
  ASSERT_EQ(ladders.size(), 2u);
  EXPECT_EQ(ladders[0].items.size(), 5153u);
  EXPECT_EQ(ladders[1].items.size(), 4000u);  // babbage has no more
  const auto reports = make_reports(ladders, {});
  EXPECT_EQ(reports[0].judgement.verdict, Verdict::kPositive);
  EXPECT_EQ(reports[1].judgement.verdict, Verdict::kPositive);
}

}  // namespace
}  // namespace catenary::analysis
