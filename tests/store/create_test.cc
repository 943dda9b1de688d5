#include "store/create.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "catenary/base/error.h"
#include "store/serial_store.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class StoreCreate : public testing::Test {
 protected:
  std::string error_of_create(const Layout& layout) {
    return test::message_of<StoreError>([&] { create_store(path_, layout, cut_into_ranges(layout)); });
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "study.h5";
};

TEST_F(StoreCreate, a_text_with_a_zero_byte_is_refused_and_nothing_is_made) {
  const std::string text("a\0b", 3);
  const std::vector<std::pair<std::string, std::function<void(Layout&)>>> places{
      {"attribute sweep_name", [&](Layout& layout) { layout.sweep_name = text; }},
      {"attribute host", [&](Layout& layout) { layout.provenance.host = text; }},
      {"dataset /models/path, row 1", [&](Layout& layout) { layout.models[1].path = text; }},
      {"dataset /models/family, row 0", [&](Layout& layout) { layout.models[0].family = text; }},
      {"dataset /tasks/path, row 0", [&](Layout& layout) { layout.tasks[0].path = text; }},
      {"dataset /conditions/separator, row 1", [](Layout& layout) { layout.conditions[1].separator.push_back('\0'); }},
      {"dataset /spec, row 0", [&](Layout& layout) { layout.spec_text = text; }},
  };
  for (const auto& [place, change] : places) {
    Layout layout = example_layout();
    change(layout);
    EXPECT_THAT(error_of_create(layout), AllOf(HasSubstr("study.h5: " + place + ": "), HasSubstr("NUL")));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << place;
  }
}

TEST_F(StoreCreate, texts_of_any_length_come_back) {
  Layout layout = example_layout();
  layout.spec_text = std::string(1'000'000, 's');
  layout.models[0].path = std::string(200'000, 'p');
  layout.models[1].family = std::string(65'536, 'f');
  layout.conditions[1].separator = std::string(70'000, '\n');
  layout.sweep_name = std::string(60'000, 'n');
  write_example_store(path_, layout);
  const Reader reader(path_);
  EXPECT_EQ(reader.layout().spec_text, layout.spec_text);
  EXPECT_EQ(reader.layout().models[0].path, layout.models[0].path);
  EXPECT_EQ(reader.layout().models[1].family, layout.models[1].family);
  EXPECT_EQ(reader.layout().conditions[1].separator, layout.conditions[1].separator);
  EXPECT_EQ(reader.layout().sweep_name, layout.sweep_name);
  EXPECT_EQ(tally(reader, layout).wrong, 0);
  EXPECT_TRUE(reader.verify().empty());
}

TEST_F(StoreCreate, a_sweep_name_that_no_attribute_can_hold_is_refused) {
  Layout layout = example_layout();
  layout.sweep_name = std::string(70'000, 'n');
  EXPECT_THAT(error_of_create(layout),
              HasSubstr("study.h5: attribute sweep_name: its text has 70000 bytes, but a store "
                        "can hold 60000 there"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace catenary::store
