#include "store/serial_writer.h"

#include "store/h5.h"
#include "store/range_writer.h"
#include "store/tables.h"

namespace catenary::store {

struct SerialWriter::State {
  H5File file;
  RangeWriter range_writer;
};

SerialWriter::SerialWriter(const std::filesystem::path& path, const Layout& layout) {
  H5File file = H5File::open(path, H5File::Access::kReadAndWrite);
  RangeWriter range_writer(file, tables_of(layout, cut_into_ranges(layout)));
  state_ = std::make_unique<State>(State{std::move(file), std::move(range_writer)});
}
SerialWriter::~SerialWriter() = default;

void SerialWriter::write(std::size_t range_index, const spec::RangeResult& result, std::int32_t owner_rank) {
  state_->range_writer.write(range_index, result, {.run_index = 0, .rank = owner_rank});
}

}  // namespace catenary::store
