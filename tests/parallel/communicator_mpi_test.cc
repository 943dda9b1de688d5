#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/parallel/communicator.h"

namespace catenary::parallel {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(const int& value) {
  return std::as_bytes(std::span(&value, 1));
}

int int_of(const Message& message) {
  int value = 0;
  EXPECT_EQ(message.bytes.size(), sizeof value);
  std::memcpy(&value, message.bytes.data(), sizeof value);
  return value;
}

TEST(Communicator, broadcast_and_all_gather_carry_texts_of_any_length) {
  const Communicator world = Communicator::world();
  for (int root = 0; root < world.size(); ++root) {
    const std::string text(static_cast<std::size_t>(root) * 1000, 'x');
    EXPECT_EQ(world.broadcast(world.rank() == root ? text : "mine", root), text);
  }
  const auto texts = world.all_gather(std::string(static_cast<std::size_t>(world.rank()), 'a'));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], std::string(i, 'a'));
  EXPECT_EQ(world.sum(world.rank()), world.size() * (world.size() - 1) / 2);
}

TEST(Communicator, a_thread_of_rank_0_answers_all_ranks_its_own_too) {
  const Communicator world = Communicator::world();
  constexpr int kAsk = 1, kAnswer = 2, kQuestions = 100;
  std::thread service;
  if (world.rank() == 0) {
    service = std::thread([&] {
      for (int i = 0; i < kQuestions * world.size(); ++i) {
        const Message question = world.receive_any(kAsk);
        world.send(question.source, kAnswer, bytes_of(int_of(question) * 10));
      }
    });
  }
  for (int i = 0; i < kQuestions; ++i) {
    world.send(0, kAsk, bytes_of(i));
    EXPECT_EQ(int_of(world.receive(0, kAnswer)), i * 10);
  }
  if (service.joinable()) service.join();
}

TEST(Agree, one_rank_that_fails_is_an_error_on_all) {
  const Communicator world = Communicator::world();
  EXPECT_NO_THROW(agree(world, [] {}));
  EXPECT_FALSE(world.failed_together());
  const int at_fault = world.size() - 1;
  std::string message;
  try {
    agree(world, [&] {
      if (world.rank() == at_fault) throw StoreError("the file is gone");
    });
  } catch (const StoreError& e) {
    EXPECT_EQ(world.rank(), at_fault);
    message = e.what();
  } catch (const CommError& e) {
    EXPECT_NE(world.rank(), at_fault);
    EXPECT_THAT(e.what(), HasSubstr("rank " + std::to_string(at_fault)));
    message = e.what();
  }
  EXPECT_THAT(message, HasSubstr("the file is gone"));
  EXPECT_TRUE(world.failed_together());
}

TEST(Agree, wrong_input_of_one_rank_is_wrong_input_for_all) {
  const Communicator world = Communicator::world();
  const int at_fault = world.size() - 1;
  const auto fail_with = [&](auto error) {
    agree(world, [&] {
      if (world.rank() == at_fault) throw error;
    });
  };
  EXPECT_THROW(fail_with(SpecError("no such key")), SpecError);
  const auto of_data = [&] { fail_with(DataError("not a number")); };
  if (world.rank() == at_fault)
    EXPECT_THROW(of_data(), DataError);
  else
    EXPECT_THROW(of_data(), SpecError);
}

}  // namespace
}  // namespace catenary::parallel
