#include "catenary/weights/tensor_info.h"

#include "weights/fixtures.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

std::optional<std::int64_t> bytes_for(Encoding encoding, std::vector<std::int64_t> shape) {
  return stored_bytes(encoding, shape);
}

TEST(StoredBytes, counts_whole_blocks_of_a_row) {
  EXPECT_EQ(bytes_for(Encoding::kF32, {2, 3}), 24);
  EXPECT_EQ(bytes_for(Encoding::kBF16, {}), 2);
  EXPECT_EQ(bytes_for(Encoding::kQ4_1, {3, 64}), 120);
  EXPECT_EQ(bytes_for(Encoding::kQ6_K, {2, 512}), 840);
  EXPECT_EQ(bytes_for(Encoding::kF32, {0, 3}), 0);
}

TEST(StoredBytes, refuses_part_blocks_and_overflow) {
  EXPECT_EQ(bytes_for(Encoding::kQ4_1, {32, 3}), std::nullopt);
  EXPECT_EQ(bytes_for(Encoding::kF16, {std::int64_t{1} << 62}), std::nullopt);
  EXPECT_EQ(bytes_for(Encoding::kF16, {std::int64_t{1} << 32, std::int64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(bytes_for(Encoding::kF16, {-1, -1}), std::nullopt);
}

TEST(Shown, is_short_and_harmless) {
  EXPECT_EQ(shown("a\n\x1b[2Jb"), "\"a??[2Jb\"");
  EXPECT_EQ(shown(std::string(1000, 'x')), '"' + std::string(120, 'x') + "…\"");
  EXPECT_EQ(shown(std::vector<std::int64_t>{2, 3}), "[2, 3]");
}

}  // namespace
}  // namespace catenary::weights
