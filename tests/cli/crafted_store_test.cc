// Stores as somebody could make them on purpose: their checksums hold, and their tables say anything.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <unistd.h>

#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "catenary/analysis/table.h"
#include "catenary/base/error.h"
#include "catenary/report/task_sample.h"
#include "catenary/store/merge.h"
#include "store/checksums.h"
#include "store/h5.h"
#include "store/serial_store.h"
#include "support/temporary_folder.h"

namespace catenary::cli {
namespace {

using Random = std::mt19937_64;

template <class T>
T other_number(T old, Random& random) {
  if constexpr (std::is_same_v<T, double>) {
    const double infinity = std::numeric_limits<double>::infinity();
    return std::vector<double>{0, -1, 1e300, infinity, -infinity, std::nan(""), -old}[random() % 7];
  } else {
    const T max = std::numeric_limits<T>::max();
    const auto bits = static_cast<std::uint64_t>(old);
    return std::vector<T>{0,
                          1,
                          2,
                          7,
                          max,
                          static_cast<T>(~max),
                          static_cast<T>(bits + 1),
                          static_cast<T>(bits - 1),
                          static_cast<T>(1) << 20,
                          static_cast<T>(random())}[random() % 10];
  }
}

std::string other_text(const std::string& old, std::size_t width, Random& random) {
  std::string text = std::vector<std::string>{"",   "logodds",  "numeric", "sequence_prob",        "..",
                                              "{}", "\xff\xfe", old + old, std::string(width, '"')}[random() % 9];
  text.resize(std::min(text.size(), width));
  return text;
}

void overwrite(const std::filesystem::path& path, std::uint64_t offset, const void* bytes, std::size_t num_bytes) {
  const store::Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(file.get(), bytes, num_bytes, static_cast<off_t>(offset)), static_cast<ssize_t>(num_bytes));
}

/// Changes one cell in up to three columns, and gives the file the hash of what it then says.
void craft(const std::filesystem::path& path, const store::Layout& layout, Random& random) {
  store::Tables tables = store::tables_of(layout, store::cut_into_ranges(layout));
  int num_columns = 0;
  store::for_each_column(tables, [&](const auto&, const auto&) { ++num_columns; });
  for (auto i = 1 + random() % 3; i > 0; --i) {
    auto column_left = static_cast<int>(random() % static_cast<unsigned>(num_columns));
    store::for_each_column(tables, [&]<class T>(const store::ColumnInfo& info, std::vector<T>& rows) {
      if (column_left-- != 0) return;
      const std::size_t row = random() % rows.size();
      const auto column = store::RawColumn::open(store::H5File::open(path), info.path);
      const std::uint64_t offset = column.offset() + row * column.row_bytes();
      if constexpr (std::is_same_v<T, std::string>) {
        rows[row] = other_text(rows[row], column.row_bytes(), random);
        std::string bytes = rows[row];
        bytes.resize(column.row_bytes());
        overwrite(path, offset, bytes.data(), bytes.size());
      } else {
        rows[row] = other_number(rows[row], random);
        overwrite(path, offset, &rows[row], sizeof(T));
      }
    });
  }
  const std::string hash = store::layout_hash(layout, tables);
  const store::FileHandle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  const store::AttributeHandle attribute(H5Aopen(file.get(), "layout_hash", H5P_DEFAULT));
  ASSERT_GE(H5Awrite(attribute.get(), store::text_type(hash.size()).get(), hash.data()), 0);
}

TEST(CraftedStore, is_refused_or_read_within_its_bounds) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "study.h5", merged = folder.path() / "merged.h5";
  const store::Layout layout = store::example_layout(70);
  store::write_example_store(path, layout);
  const std::string whole = store::file_bytes(path);
  const char* wanted = std::getenv("CATENARY_CRAFTED_STORES");
  const int num_stores = wanted == nullptr ? 300 : std::atoi(wanted);
  Random random(20261122);
  int num_refused = 0, num_read = 0;
  for (int i = 0; i < num_stores; ++i) {
    folder.write("study.h5", whole);
    craft(path, layout, random);
    SCOPED_TRACE(i);
    try {
      const store::Reader reader(path);
      reader.verify();
      for (std::size_t unit = 0; unit < reader.layout().units.size(); ++unit) reader.read_unit(unit);
      for (std::size_t range = 0; range < reader.ranges().size(); ++range) reader.read_range(range);
      ++num_read;
    } catch (const StoreError&) {
      ++num_refused;
      continue;
    }
    const auto may_refuse = [](auto act) {  // any exception but Error ends the test
      try {
        act();
      } catch (const Error&) {
      }
    };
    may_refuse([&] { analysis::read_table(path); });
    may_refuse([&] { report::sample_tasks(path, 100'000); });
    may_refuse([&] { store::merge({path}, merged); });
    std::filesystem::remove(merged);
  }
  EXPECT_GT(num_refused, num_stores / 10);
  EXPECT_GT(num_read, num_stores / 10);
}

}  // namespace
}  // namespace catenary::cli
