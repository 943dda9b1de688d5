#include "support/cuda_on_cpu/block.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

namespace catenary::test::cuda_on_cpu {
namespace {

enum class State { kReady, kWaitsForWarp, kWaitsForBlock, kDone };

// A thread's stack and where it goes on, in one block after another. It starts through ucontext.h, once; later turns
// jump, which asks nothing of the system and is a hundred times faster.
struct Thread {
  static constexpr std::size_t kStackBytes = 32 << 10;

  std::unique_ptr<std::byte[]> stack;  // none: not started yet
  State state = State::kDone;
  ucontext_t start;
  jmp_buf goes_on;
};

std::vector<Thread> threads(kMostThreads);
Thread* turn = nullptr;
jmp_buf turn_is_over;
const std::function<void()>* kernel = nullptr;

void end_turn(State state) {
  turn->state = state;
  if (_setjmp(turn->goes_on) == 0) _longjmp(turn_is_over, 1);
}

void run_thread() {
  for (;;) {
    (*kernel)();
    end_turn(State::kDone);
  }
}

void give_turn(unsigned index) {
  turn = &threads[index];
  thread_index.x = index;
  if (_setjmp(turn_is_over) != 0) return;
  if (turn->stack) _longjmp(turn->goes_on, 1);
  turn->stack.reset(new std::byte[Thread::kStackBytes]);
  ::getcontext(&turn->start);
  turn->start.uc_stack.ss_sp = turn->stack.get();
  turn->start.uc_stack.ss_size = Thread::kStackBytes;
  ::makecontext(&turn->start, &run_thread, 0);
  ::setcontext(&turn->start);
}

void run_block(unsigned num_threads) {
  const auto begin = threads.begin(), end = begin + num_threads;
  std::for_each(begin, end, [](Thread& thread) { thread.state = State::kReady; });
  for (;;) {
    bool has_moved = false;
    for (unsigned i = 0; i < num_threads; ++i) {
      if (threads[i].state != State::kReady) continue;
      give_turn(i);
      has_moved = true;
    }
    const auto is = [](State state) { return [state](const Thread& thread) { return thread.state == state; }; };
    if (std::all_of(begin, end, is(State::kDone))) return;
    const auto release = [&](auto first, auto last, State state) {
      if (!std::all_of(first, last, is(state))) return;
      std::for_each(first, last, [](Thread& thread) { thread.state = State::kReady; });
      has_moved = true;
    };
    for (auto warp = begin; warp < end; warp += kWarp) release(warp, warp + kWarp, State::kWaitsForWarp);
    release(begin, end, State::kWaitsForBlock);
    if (!has_moved) {
      std::for_each(begin, end, [](Thread& thread) { thread.stack.reset(); });
      throw std::logic_error("threads wait for others of their block or warp that never come");
    }
  }
}

}  // namespace

void launch(unsigned num_blocks, unsigned num_threads, const std::function<void()>& body) {
  if (num_blocks == 0 || num_blocks > 0x7fffffff || num_threads == 0 || num_threads > kMostThreads ||
      num_threads % kWarp != 0) {
    throw std::logic_error("no GPU takes that many blocks or threads, or a warp is not whole");
  }
  kernel = &body;
  block_size.x = num_threads;
  grid_size.x = num_blocks;
  for (block_index.x = 0; block_index.x < num_blocks; ++block_index.x) run_block(num_threads);
}

void wait_for_block() {
  end_turn(State::kWaitsForBlock);
}
void wait_for_warp() {
  end_turn(State::kWaitsForWarp);
}

}  // namespace catenary::test::cuda_on_cpu
