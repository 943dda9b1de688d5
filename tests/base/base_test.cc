#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <stop_token>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/printable.h"
#include "catenary/base/unique_handle.h"
#include "support/drop_pages.h"
#include "support/temporary_folder.h"

namespace catenary {
namespace {

TEST(Problems, all_are_shown_in_one_message_up_to_twenty) {
  Problems problems;
  EXPECT_NO_THROW(problems.throw_if_any<DataError>());
  for (int i = 0; i < 23; ++i) problems.add("problem " + std::to_string(i));
  try {
    problems.throw_if_any<DataError>();
    FAIL();
  } catch (const DataError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("problem 0\nproblem 1\n"), std::string::npos);
    EXPECT_NE(text.find("problem 19\n… and 3 more"), std::string::npos);
    EXPECT_EQ(text.find("problem 20"), std::string::npos);
  }
}

TEST(Check, names_the_place) {
  EXPECT_NO_THROW(check(true, "fine"));
  try {
    check(false, "two is three");
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_NE(std::string(e.what()).find("two is three"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("base_test.cc"), std::string::npos);
  }
}

TEST(Hasher, equals_the_published_xxh3_value_of_the_empty_input) {
  EXPECT_EQ(Hasher().hex(),
            "99aa06d3014798d86001c324468d497f");  // XXH3_128bits("", seed 0), from xxHash's documentation
}

TEST(Hasher, boundaries_between_texts_matter) {
  EXPECT_NE(Hasher().add("ab").add("c").hex(), Hasher().add("a").add("bc").hex());
  EXPECT_EQ(Hasher().add("ab").add("c").hex(), Hasher().add("ab").add("c").hex());
}

TEST(Printable, control_characters_cannot_reach_a_terminal) {
  EXPECT_EQ(printable("a\x1b[31mb\nc\x7f\t"), "a?[31mb?c??");
  EXPECT_EQ(printable_lines("a\nb\r"), "a\nb?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m \xc3\xa9 \xe2\x80\xa6"),
            "?31m \xc3\xa9 \xe2\x80\xa6");
}

int closed = 0;
struct CountingTraits {
  using Handle = int;
  static constexpr int kInvalid = -1;
  static void close(int) noexcept { ++closed; }
};

TEST(UniqueHandle, closes_once_whatever_is_moved) {
  closed = 0;
  {
    UniqueHandle<CountingTraits> a(1);
    UniqueHandle<CountingTraits> b(std::move(a));
    EXPECT_FALSE(a);
    UniqueHandle<CountingTraits> c(2);
    c = std::move(b);
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(c.get(), 1);
  }
  EXPECT_EQ(closed, 2);
}

TEST(MappedFile, shows_the_bytes_and_survives_a_move) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  std::ofstream(path) << "twelve bytes";
  MappedFile a(path);
  const auto view = a.text();
  MappedFile b(std::move(a));
  EXPECT_EQ(view, "twelve bytes");
  EXPECT_EQ(b.text(), view);
  EXPECT_TRUE(a.text().empty());
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_TRUE(MappedFile(path).bytes().empty());
}

TEST(MappedFile, reads_parts_and_tells_of_a_file_that_became_shorter) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  std::ofstream(path) << "twelve bytes";
  const MappedFile file(path);
  std::string out(5, '.');
  file.read(file.bytes().subspan(7, 5), std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "bytes");
  EXPECT_THROW(file.read(file.bytes().first(4), std::as_writable_bytes(std::span(out))), std::logic_error);
  std::filesystem::resize_file(path, 9);
  try {
    file.read(file.bytes().subspan(7, 5), std::as_writable_bytes(std::span(out)));
    FAIL() << "no error";
  } catch (const DataError& e) {
    EXPECT_NE(std::string(e.what()).find("ends at byte 9, and had 12"), std::string::npos) << e.what();
  }
}

TEST(MappedFile, is_brought_into_memory_until_told_to_stop) {
  constexpr std::size_t kPage = 4096, kPages = (65 << 8) + 1;
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  std::ofstream(path) << std::string((kPages - 1) * kPage + 1, 'x');
  const MappedFile file(path);
  const auto pages_in_memory = [&] {
    std::vector<unsigned char> pages(kPages);
    EXPECT_EQ(::mincore(const_cast<std::byte*>(file.bytes().data()), file.bytes().size(), pages.data()), 0);
    return std::ranges::count_if(pages, [](unsigned char page) { return page & 1; });
  };
  for (const bool is_stopped : {false, true}) {
    EXPECT_TRUE(test::drop_pages(path));
    if (pages_in_memory() > 0) GTEST_SKIP() << "this file system keeps its files in memory";
    std::stop_source source;
    if (is_stopped) source.request_stop();
    file.warm(source.get_token());
    if (is_stopped) {
      EXPECT_LT(pages_in_memory(), kPages / 4);
    } else {
      EXPECT_EQ(pages_in_memory(), kPages);
    }
  }
}

TEST(MappedFile, a_missing_file_and_a_folder_are_named) {
  for (const char* path : {"/nonexistent/file", "/tmp"}) {
    try {
      MappedFile file{std::filesystem::path(path)};
      FAIL() << path;
    } catch (const DataError& e) {
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace catenary
