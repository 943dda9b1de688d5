#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace catenary::scheduler {

/// Where a rank is.
struct RankPlace {
  int node = 0;  // ranks of a node follow one another
  int kind = 0;  // of its device: those of one kind are alike in memory and speed
};

/// One model on one kind of device. Cost is in any unit, the same for all: FLOPs, say.
struct Fit {
  int group_size = 1;  // ranks that hold it together, a power of two; 0: it does not run there
  double rate = 1;     // cost that such a group gets done in a second, as predicted
  double load_seconds = 0;
};
using ModelFits = std::vector<Fit>;  // by kind of device

/// What is left of a unit: item ranges that follow one another.
struct PendingUnit {
  std::int32_t model_index = 0;
  std::size_t first_range = 0;  // the caller's number for it
  std::size_t num_ranges = 1;
  double range_cost = 1;  // the mean
};

/// A sweep, or what is left of it, as the scheduler sees it.
struct Work {
  std::vector<ModelFits> models;
  std::vector<PendingUnit> units;
  std::vector<RankPlace> ranks;
};

/// Ranks [first_rank, first_rank + num_ranks) that hold one model together.
struct Group {
  int first_rank = 0;
  int num_ranks = 1;

  bool has(int rank) const { return rank >= first_rank && rank < first_rank + num_ranks; }
};
bool overlap(const Group& a, const Group& b);

/// What a group is to do next.
struct Assignment {
  Group group;
  std::int32_t model_index = 0;
  std::size_t first_range = 0;
  std::size_t num_ranges = 0;
  double range_cost = 0;
  bool is_final = true;  // a failure is: it is the second, or there is no other group for a second try
  int failed_on = -1;    // the first rank of the group where it failed before
};

/// Who gets what next. Deterministic: no clock, no communication; the same calls give the same answers, so that a sweep
/// and its simulation run the same code. A decision takes time in proportion to the number of models.
///
/// Ranks begin as the largest groups that a model needs, and groups only ever split, each by itself. A group stays with
/// the model it holds while that has ranges left. Otherwise it takes the model that would be done last, were this group
/// to join it; models that need larger groups, or devices that are few, are taken for longer than they are, because
/// split groups do not come together again. If the model is not worth loading any more, it stays idle. Within a model
/// the costliest ranges go first, as many of a unit at once as are a quarter of the time left, so all end together. The
/// last group that could run a model does not split before that is done. What failed is tried again on another node
/// where one can run it, and a group whose failures others do not have gets nothing more while there are others.
class Policy {
 public:
  /// Throws SpecError if some model needs a larger group than the ranks can form.
  explicit Policy(Work work);

  /// Idle groups, where something has changed for them since they were asked about last: `assign` them again. At first
  /// all groups.
  std::vector<Group> take_idle();

  /// What the group of this first rank does after what it has been given already. A group that is larger than its next
  /// model needs splits; then there is an assignment for each part. Parts without one are idle.
  std::vector<Assignment> assign(int first_rank);

  /// An assignment is over: so many of its ranges were computed, in that time, loading not included. Corrects what is
  /// predicted.
  void finish(const Assignment& assignment, std::size_t num_computed, double seconds);
  /// After that, ranges of it that failed though that was not final: another group is given them, of another node where
  /// there is one.
  void retry(const Assignment& failed);
  /// After that, ranges of it that were not computed.
  void put_back(const Assignment& ranges);

  /// These ranks are gone; what of their groups is left forms smaller ones, idle. Their assignments are to be put back.
  void lose(int first_rank, int num_ranks);
  /// They are there again, as idle groups.
  void join(int first_rank, int num_ranks);

  /// Ranges that are not recorded yet.
  std::size_t num_left() const { return num_left_; }

 private:
  struct Returned {
    PendingUnit ranges;
    Group avoid;  // where they failed
    bool failed;
  };
  struct Speed {
    double cost = 0, seconds = 0;  // measured
  };
  struct Model {
    ModelFits fits;
    double scarcity = 1;             // all ranks, for each whose device it runs on
    std::vector<PendingUnit> units;  // costliest ranges last
    std::vector<Returned> returned;  // these go first
    double cost_left = 0;            // of both
    std::size_t num_left = 0;        // ranges, with those that are assigned
    int num_ranks = 0;               // on it
    std::vector<Speed> speeds;       // by kind
  };
  struct GroupState {
    int num_ranks = 0;  // 0: no group begins with this rank
    std::int32_t model_index = -1;
    double speed = 1;    // against others with the same model and kind
    int num_blamed = 0;  // assignments that failed here and went well elsewhere, since one went well here

    bool is_trusted() const { return num_blamed < kMostBlamed; }
  };

  static constexpr int kMostBlamed = 3;

  const Fit& fit(const Model& model, int rank) const;
  Group nodes_of(const Group& group) const;
  int largest_group(int kind) const;
  void count_group(int first_rank, int change);
  bool has_group_outside(const Group& ranks, const Model& model) const;
  void blame(int first_rank, int num_blamed);
  bool may_split(const Group& group) const;
  void take_back(const Assignment& ranges, const Group& avoid, bool failed);
  double rate(const Model& model, int kind) const;
  double rank_seconds_left(const Model& model) const;
  std::size_t find_returned(const Model& model, const Group& group) const;
  std::int32_t choose(int first_rank, double* seconds_left) const;
  void leave(GroupState& group);
  Assignment take(std::int32_t model_index, int first_rank, double seconds_left);

  std::vector<Model> models_;
  std::vector<RankPlace> ranks_;
  std::vector<GroupState> groups_;            // by first rank
  std::vector<std::vector<int>> num_groups_;  // by kind and log2 of a size: trusted ones of that many ranks or more
  std::vector<int> idle_;
  bool wakes_idle_ = true;
  std::vector<Speed> kind_speeds_;  // cost: seconds that were predicted
  std::size_t num_left_ = 0;
};

}  // namespace catenary::scheduler
