#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catenary/scheduler/policy.h"

namespace catenary::scheduler {

/// What goes otherwise than predicted. All of it is drawn from the seed.
struct Disturbances {
  std::uint64_t seed = 1;
  double cost_error = 0;     // each unit takes 1 ± up to this of its predicted time, and so does each model
  double slow_nodes = 0;     // this part of the nodes runs at half speed
  bool lose_a_node = false;  // one node is gone for an hour, from a third of the lower bound on
};

enum class Strategy {
  kPolicy,            // scheduler/policy.h, as the sweep runs it
  kRoundRobin,        // units are dealt out before the start, to groups as large as the largest model needs
  kLongestFirst,      // the same, the longest unit to the group that has least
  kJobsOfEqualSize,   // a job for each model, all with as many devices
  kJobsByParameters,  // as many as the model's load time times its group: the size of its weights
};

/// One model on one group for some time; for a picture.
struct Bar {
  Group group;
  std::int32_t model_index = 0;
  double load_begin = 0, begin = 0, end = 0;  // seconds
};

struct Simulation {
  double makespan_seconds = 0;
  /// No schedule is shorter: all devices at nominal speed compute without a break, or the longest chain of loading a
  /// model and computing its longest range. With the costs as they turn out.
  double lower_bound_seconds = 0;
  double utilization = 0;   // of the devices, until the end: computing, not loading
  double load_seconds = 0;  // summed over devices
  std::int64_t num_decisions = 0;
  double seconds_per_decision = 0;  // of real time
  std::vector<Bar> bars;            // by group, in order of time; policy alone, and only if asked for
};

/// Plays a sweep in virtual time. A group asks when it begins what it was given last, as ranks do. Strategies other
/// than kPolicy are given more than they have: within a group of theirs, work of smaller models is shared without loss.
Simulation simulate(const Work& work, const Disturbances& disturbances, Strategy strategy, bool with_bars = false);

/// Time along, devices down; at most 200 of them, evenly chosen.
std::string to_svg(const Simulation& simulation, const std::vector<std::string>& model_names, int num_ranks);

}  // namespace catenary::scheduler
