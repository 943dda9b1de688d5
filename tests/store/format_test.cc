// The file as others see it: through h5py, and through docs/store-format.md.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "store/serial_store.h"
#include "store/tables.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::HasSubstr;

const std::filesystem::path kDocs = std::filesystem::path(CATENARY_SOURCE_DIR) / "docs" / "store-format.md";

struct Output {
  int status = 0;
  std::string text;
};

Output run(const std::string& command) {
  Output output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.text.append(buffer.data(), n);
  }
  output.status = ::pclose(pipe);
  return output;
}

/// A Python that has these modules; empty if there is none.
std::string find_python(const std::string& modules) {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    if (run(fmt::format("{} -c 'import {}'", python, modules)).status == 0) return python;
  }
  return "";
}

class StoreFormat : public testing::Test {
 protected:
  StoreFormat() { write_example_store(path_, layout_); }

  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "study.h5";
  const Layout layout_ = example_layout();
};

TEST_F(StoreFormat, h5py_sees_nan_where_nothing_is_measured_and_the_right_numbers_elsewhere) {
  const std::string python = find_python("h5py");
  if (python.empty()) GTEST_SKIP() << "no python3 with h5py";
  const auto script = folder_.write("look.py", R"(
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1], "r")
assert f.attrs["format"].decode() == "catenary store" and f.attrs["schema_version"] == 4
assert list(f["models/name"].asstr()[:]) == ["small", "größer"]
assert np.isnan(f["models/training_tokens"][1])
assert f["scores/log_likelihood"].attrs["units"].decode() == "nats"
assert "description" in f["units/id"].attrs and "description" in f["units"].attrs
ranges, scores = f["ranges"], f["scores"]
for i, state in enumerate(ranges["state"]):
    begin, count = ranges["class_begin"][i], ranges["num_classes"][i]
    ll = scores["log_likelihood"][begin:begin + count]
    assert np.isnan(ll).all() if state != 1 else not np.isnan(ll).any()
    if state != 1:
        assert (scores["num_tokens"][begin:begin + count] == -1).all()
        assert (scores["is_greedy"][begin:begin + count] == 255).all()
assert set(ranges["state"]) == {0, 1, 2}
units, texts, heap = f["units"], f["texts"], f["text_bytes"]
row = units["text_begin"][1] + 2 * 64 + 1  # unit 1, item 64, second text: 2 * ((64 + 1) % 15) bytes
begin, length = texts["begin"][row], texts["num_bytes"][row]
assert heap[begin:begin + length].tobytes().decode() == "ö" * 5 and texts["num_tokens"][row] == 6
assert f["items/is_truncated"][units["item_begin"][1] + 63] == 1
assert ranges["error"].asstr()[6] == "out of memory"
unit, first = ranges["unit_index"][1], ranges["first_item"][1]
expected = -np.sqrt(1000.0 * unit + first + 0.125 + 0.1)
assert scores["log_likelihood"][ranges["class_begin"][1] + 1] == expected
)");
  const Output output = run(fmt::format("{} {} {}", python, script.string(), path_.string()));
  EXPECT_EQ(output.status, 0) << output.text;
}

TEST_F(StoreFormat, the_example_in_the_documentation_runs) {
  const std::string python = find_python("h5py, pandas");
  if (python.empty()) GTEST_SKIP() << "no python3 with h5py and pandas";
  const std::string page = file_bytes(kDocs);
  const std::string opening = "```python\n";
  const auto begin = page.find(opening);
  ASSERT_NE(begin, std::string::npos);
  const auto script = folder_.write(
      "example.py", page.substr(begin + opening.size(), page.find("```", begin + 3) - begin - opening.size()));
  const Output output = run(fmt::format("{} {} {}", python, script.string(), path_.string()));
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_THAT(output.text, HasSubstr("accuracy"));
  EXPECT_THAT(output.text, HasSubstr("größer"));
}

TEST_F(StoreFormat, the_documentation_names_every_column_and_its_meaning) {
  const std::string page = file_bytes(kDocs);
  const auto expect_documented = [&page](const ColumnInfo& info) {
    const auto slash = info.path.find('/');
    if (slash == std::string_view::npos) return;  // spec, which is told of in words
    const auto section = page.find(fmt::format("### /{}\n", info.path.substr(0, slash)));
    ASSERT_NE(section, std::string::npos) << info.path;
    const std::string text = page.substr(section, page.find("\n#", section + 1) - section);
    const auto row = text.find(fmt::format("| `{}` |", info.path.substr(slash + 1)));
    ASSERT_NE(row, std::string::npos) << info.path;
    const std::string line = text.substr(row, text.find('\n', row) - row);
    EXPECT_THAT(line, HasSubstr(fmt::format("| {} | {} |", info.units, info.description)));
  };
  const Tables tables;
  for_each_column(tables, [&](const ColumnInfo& info, const auto&) { expect_documented(info); });
  ResultColumns<std::type_identity> columns;
  for_each_result_column(columns, {}, [&](auto&, const auto& result) { expect_documented(result.info); });
}

}  // namespace
}  // namespace catenary::store
