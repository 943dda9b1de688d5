#include "catenary/parallel/tensor_parallel_group.h"

#include "catenary/base/error.h"

namespace catenary::parallel {
namespace {

class SingleRank : public TensorParallelGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::string> all_gather(const std::string& text) override { return {text}; }
  void all_reduce(const Elements&, Reduction) override {}

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

#ifdef CATENARY_WITH_NCCL
bool has_nccl() {
  return true;
}
#else
bool has_nccl() {
  return false;
}
std::unique_ptr<TensorParallelGroup> make_nccl_group(const Communicator&, int, int) {
  throw SpecError("this build has no NCCL, which groups of GPUs need");
}
#endif

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
