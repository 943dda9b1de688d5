#include "catenary/parallel/tensor_parallel_group.h"

namespace catenary::parallel {
namespace {

class SingleRank : public TensorParallelGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void begin_all_reduce(const Elements&, Reduction) override {}
  void end_all_reduce() override {}

 private:
  void settle(std::exception_ptr own) override {
    if (own) std::rethrow_exception(own);
  }
};

}  // namespace

TensorParallelGroup& single_rank() {
  static SingleRank group;
  return group;
}

void agree(TensorParallelGroup& group, const std::function<void()>& act) {
  std::exception_ptr own;
  try {
    act();
  } catch (...) {
    own = std::current_exception();
  }
  group.settle(own);
}

}  // namespace catenary::parallel
