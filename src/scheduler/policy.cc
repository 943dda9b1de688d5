#include "catenary/scheduler/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::scheduler {
namespace {

// A handout is this part of the time that is left, so the last ones are short.
constexpr double kHandoutsLeft = 4;

std::size_t log2_of(int size) {
  return static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(size)) - 1);
}

double cost_of(const PendingUnit& unit) {
  return static_cast<double>(unit.num_ranges) * unit.range_cost;
}

}  // namespace

bool overlap(const Group& a, const Group& b) {
  return a.first_rank < b.first_rank + b.num_ranks && b.first_rank < a.first_rank + a.num_ranks;
}

Policy::Policy(Work work) : ranks_(std::move(work.ranks)), groups_(ranks_.size()) {
  std::size_t num_kinds = 0;
  for (const RankPlace& place : ranks_) num_kinds = std::max(num_kinds, static_cast<std::size_t>(place.kind) + 1);
  kind_speeds_.resize(num_kinds);
  num_groups_.resize(num_kinds, std::vector<int>(std::numeric_limits<int>::digits));
  for (ModelFits& fits : work.models) {
    check(fits.size() >= num_kinds, "a model is planned for every kind of device");
    models_.push_back({.fits = std::move(fits), .speeds = std::vector<Speed>(num_kinds)});
  }
  for (const PendingUnit& unit : work.units) {
    Model& model = models_[static_cast<std::size_t>(unit.model_index)];
    model.units.push_back(unit);
    model.cost_left += cost_of(unit);
    model.num_left += unit.num_ranges;
    num_left_ += unit.num_ranges;
  }
  for (Model& model : models_) {
    // Those of equal cost keep their order.
    std::ranges::stable_sort(model.units, std::ranges::greater(), &PendingUnit::range_cost);
    std::ranges::reverse(model.units);
    const auto num_able = std::ranges::count_if(ranks_, [&](const RankPlace& place) {
      return model.fits[static_cast<std::size_t>(place.kind)].group_size > 0;
    });
    if (num_able > 0) model.scarcity = static_cast<double>(ranks_.size()) / static_cast<double>(num_able);
  }
  join(0, static_cast<int>(ranks_.size()));
  for (std::size_t m = 0; m < models_.size(); ++m) {
    if (models_[m].units.empty() || has_group_outside({-1, 0}, models_[m])) continue;
    throw SpecError(fmt::format("model {} of the sweep needs a larger group of devices than there are", m));
  }
}

const Fit& Policy::fit(const Model& model, int rank) const {
  return model.fits[static_cast<std::size_t>(ranks_[static_cast<std::size_t>(rank)].kind)];
}

int Policy::largest_group(int kind) const {
  int largest = 1;
  for (const Model& model : models_) {
    if (model.num_left > 0) largest = std::max(largest, model.fits[static_cast<std::size_t>(kind)].group_size);
  }
  return largest;
}

// Groups of a power of two of ranks, of one kind, that lie within a node or are made of whole nodes.
void Policy::join(int first_rank, int num_ranks) {
  const int end = first_rank + num_ranks;
  const auto at = [&](int rank) { return ranks_[static_cast<std::size_t>(rank)]; };
  const auto begins_node = [&](int rank) {
    return rank == 0 || rank == std::ssize(ranks_) || at(rank).node != at(rank - 1).node;
  };
  for (int first = first_rank, size = 0; first < end; first += size) {
    for (size = static_cast<int>(std::bit_floor(static_cast<unsigned>(largest_group(at(first).kind)))); size > 1;
         size /= 2) {
      if (first + size > end || at(first + size - 1).kind != at(first).kind) continue;
      if (at(first).node == at(first + size - 1).node || (begins_node(first) && begins_node(first + size))) break;
    }
    groups_[static_cast<std::size_t>(first)] = {.num_ranks = size};
    count_group(first, 1);
    idle_.push_back(first);
  }
  wakes_idle_ = true;
}

void Policy::count_group(int first_rank, int change) {
  if (!groups_[static_cast<std::size_t>(first_rank)].is_trusted()) return;
  const auto kind = static_cast<std::size_t>(ranks_[static_cast<std::size_t>(first_rank)].kind);
  const std::size_t log_size = log2_of(groups_[static_cast<std::size_t>(first_rank)].num_ranks);
  for (std::size_t i = 0; i <= log_size; ++i) num_groups_[kind][i] += change;
}

void Policy::blame(int first_rank, int num_blamed) {
  GroupState& state = groups_[static_cast<std::size_t>(first_rank)];
  if (state.num_ranks == 0) return;  // it was lost
  count_group(first_rank, -1);
  state.num_blamed = num_blamed;
  count_group(first_rank, 1);
  wakes_idle_ = true;
}

// The whole nodes on which the group lies.
Group Policy::nodes_of(const Group& group) const {
  const auto node_of = [&](int rank) { return ranks_[static_cast<std::size_t>(rank)].node; };
  int first = group.first_rank, end = first + group.num_ranks;
  while (first > 0 && node_of(first - 1) == node_of(first)) --first;
  while (end < std::ssize(ranks_) && node_of(end) == node_of(end - 1)) ++end;
  return {first, end - first};
}

void Policy::lose(int first_rank, int num_ranks) {
  const Group lost{first_rank, num_ranks};
  for (int first = 0; first < first_rank + num_ranks; ++first) {
    GroupState& state = groups_[static_cast<std::size_t>(first)];
    const Group group{first, state.num_ranks};
    if (state.num_ranks == 0 || !overlap(group, lost)) continue;
    leave(state);
    count_group(first, -1);
    state = {};
    std::erase(idle_, first);
    const int end = first + group.num_ranks;
    if (first < first_rank) join(first, first_rank - first);
    if (end > first_rank + num_ranks) join(first_rank + num_ranks, end - first_rank - num_ranks);
  }
}

std::vector<Group> Policy::take_idle() {
  std::vector<Group> idle;
  if (!std::exchange(wakes_idle_, false)) return idle;
  for (const int first : std::exchange(idle_, {})) {
    idle.push_back({first, groups_[static_cast<std::size_t>(first)].num_ranks});
  }
  return idle;
}

// Whether a group that has none of these ranks could run the model, now or once it is free.
bool Policy::has_group_outside(const Group& ranks, const Model& model) const {
  int num_able = 0;
  for (std::size_t kind = 0; kind < num_groups_.size(); ++kind) {
    const int needed = model.fits[kind].group_size;
    if (needed > 0) num_able += num_groups_[kind][log2_of(needed)];
  }
  if (ranks.num_ranks == 0) return num_able > 0;
  int first = ranks.first_rank;
  while (first > 0 && groups_[static_cast<std::size_t>(first)].num_ranks == 0) --first;
  for (; first < ranks.first_rank + ranks.num_ranks; ++first) {
    const GroupState& state = groups_[static_cast<std::size_t>(first)];
    if (state.num_ranks == 0 || !state.is_trusted() || !overlap({first, state.num_ranks}, ranks)) continue;
    const int needed = fit(model, first).group_size;
    if (needed > 0 && needed <= state.num_ranks) --num_able;
  }
  return num_able > 0;
}

// Ranges in hand may fail or come back.
bool Policy::may_split(const Group& group) const {
  return group.num_ranks > 1 && std::ranges::none_of(models_, [&](const Model& model) {
           return model.num_left > 0 && fit(model, group.first_rank).group_size == group.num_ranks &&
                  !has_group_outside(group, model);
         });
}

double Policy::rate(const Model& model, int kind) const {
  const Speed& measured = model.speeds[static_cast<std::size_t>(kind)];
  if (measured.seconds > 0) return measured.cost / measured.seconds;
  const Speed& others = kind_speeds_[static_cast<std::size_t>(kind)];
  const double predicted = model.fits[static_cast<std::size_t>(kind)].rate;
  return others.seconds > 0 ? predicted * others.cost / others.seconds : predicted;
}

// Of the ranges that nobody has yet, on the mean of the devices that it runs on.
double Policy::rank_seconds_left(const Model& model) const {
  double per_rank = 0;
  int num_kinds = 0;
  for (std::size_t kind = 0; kind < kind_speeds_.size(); ++kind) {
    if (model.fits[kind].group_size == 0) continue;
    per_rank += rate(model, static_cast<int>(kind)) / model.fits[kind].group_size;
    ++num_kinds;
  }
  return num_kinds == 0 ? 0 : std::max(0.0, model.cost_left) * num_kinds / per_rank;
}

// The first of what came back that this group may take; as many as there are if there is none.
std::size_t Policy::find_returned(const Model& model, const Group& group) const {
  const auto found = std::ranges::find_if(model.returned, [&](const Returned& entry) {
    if (entry.avoid.num_ranks == 0) return true;
    const Group nodes = nodes_of(entry.avoid);
    if (!overlap(nodes, group)) return true;
    if (has_group_outside(nodes, model)) return false;
    return !overlap(entry.avoid, group) || !has_group_outside(group, model);
  });
  return static_cast<std::size_t>(found - model.returned.begin());
}

std::int32_t Policy::choose(int first_rank, double* seconds_left) const {
  const GroupState& state = groups_[static_cast<std::size_t>(first_rank)];
  const int kind = ranks_[static_cast<std::size_t>(first_rank)].kind;
  const Group group{first_rank, state.num_ranks};
  constexpr double kFirst = std::numeric_limits<double>::infinity();
  const bool splits = may_split(group);
  double rank_seconds = 0, last = 0;
  std::int32_t chosen = -1;
  for (const Model& model : models_) {
    const bool has_returned = find_returned(model, group) < model.returned.size();
    if (model.units.empty() && !has_returned) continue;
    const double left = rank_seconds_left(model);
    rank_seconds += left;
    const Fit& fit = model.fits[static_cast<std::size_t>(kind)];
    if (last == kFirst || fit.group_size == 0 || fit.group_size > state.num_ranks) continue;
    if (fit.group_size < state.num_ranks && !splits) continue;
    if (!state.is_trusted() && has_group_outside(group, model)) continue;
    const auto model_index = static_cast<std::int32_t>(&model - models_.data());
    double time = (1 + 0.5 * std::log2(fit.group_size)) * model.scarcity * left / (model.num_ranks + fit.group_size);
    if (model_index == state.model_index) {
      time = kFirst;
    } else if (has_returned) {
      time = std::numeric_limits<double>::max();
    } else if (model.num_ranks > 0) {
      // Those on the model may be done before this group has loaded it.
      const double joins_after = fit.load_seconds + model.units.back().range_cost / rate(model, kind);
      if (left / model.num_ranks <= joins_after) continue;
    }
    if (chosen < 0 || time > last) {
      last = time;
      chosen = model_index;
    }
  }
  *seconds_left = rank_seconds / static_cast<double>(ranks_.size());
  return chosen;
}

void Policy::leave(GroupState& group) {
  if (group.model_index >= 0) models_[static_cast<std::size_t>(group.model_index)].num_ranks -= group.num_ranks;
  group.model_index = -1;
}

Assignment Policy::take(std::int32_t model_index, int first_rank, double seconds_left) {
  Model& model = models_[static_cast<std::size_t>(model_index)];
  const GroupState& state = groups_[static_cast<std::size_t>(first_rank)];
  Assignment taken{.group = {first_rank, state.num_ranks}, .model_index = model_index};
  const std::size_t returned = find_returned(model, taken.group);
  const bool is_returned = returned < model.returned.size();
  PendingUnit& from = is_returned ? model.returned[returned].ranges : model.units.back();
  if (is_returned) taken.failed_on = model.returned[returned].avoid.first_rank;
  taken.is_final = (is_returned && model.returned[returned].failed) || !has_group_outside(taken.group, model);

  const int kind = ranks_[static_cast<std::size_t>(first_rank)].kind;
  const double seconds = std::min(seconds_left, rank_seconds_left(model) / model.num_ranks) / kHandoutsLeft;
  const double num_fitting = seconds * rate(model, kind) * state.speed / from.range_cost;
  taken.first_range = from.first_range;
  taken.range_cost = from.range_cost;
  taken.num_ranges = num_fitting < static_cast<double>(from.num_ranges)
                         ? std::max<std::size_t>(1, static_cast<std::size_t>(num_fitting))
                         : from.num_ranges;
  model.cost_left -= static_cast<double>(taken.num_ranges) * taken.range_cost;
  from.first_range += taken.num_ranges;
  from.num_ranges -= taken.num_ranges;
  if (from.num_ranges == 0) {
    if (is_returned) {
      model.returned.erase(model.returned.begin() + static_cast<std::ptrdiff_t>(returned));
    } else {
      model.units.pop_back();
    }
  }
  return taken;
}

std::vector<Assignment> Policy::assign(int first_rank) {
  check(groups_[static_cast<std::size_t>(first_rank)].num_ranks > 0, "a group begins with the rank that asks");
  std::vector<Assignment> assignments;
  std::vector<int> open{first_rank};
  while (!open.empty()) {
    const int first = open.back();
    open.pop_back();
    GroupState& state = groups_[static_cast<std::size_t>(first)];
    double seconds_left = 0;
    const std::int32_t chosen = choose(first, &seconds_left);
    if (chosen != state.model_index) leave(state);
    if (chosen < 0) {
      idle_.push_back(first);
      continue;
    }
    Model& model = models_[static_cast<std::size_t>(chosen)];
    while (state.num_ranks > fit(model, first).group_size) {
      count_group(first, -1);
      state.num_ranks /= 2;
      groups_[static_cast<std::size_t>(first + state.num_ranks)] = state;
      count_group(first, 1);
      count_group(first + state.num_ranks, 1);
      open.push_back(first + state.num_ranks);
    }
    if (state.model_index < 0) {
      state.model_index = chosen;
      model.num_ranks += state.num_ranks;
    }
    assignments.push_back(take(chosen, first, seconds_left));
  }
  return assignments;
}

void Policy::finish(const Assignment& assignment, std::size_t num_computed, double seconds) {
  const auto first = static_cast<std::size_t>(assignment.group.first_rank);
  const auto kind = static_cast<std::size_t>(ranks_[first].kind);
  Model& model = models_[static_cast<std::size_t>(assignment.model_index)];
  num_left_ -= assignment.num_ranges;
  model.num_left -= assignment.num_ranges;
  if (model.num_left == 0) wakes_idle_ = true;  // its last group may split
  if (num_computed > 0) {
    if (groups_[first].num_blamed > 0) blame(assignment.group.first_rank, 0);
    const int other = assignment.failed_on;
    if (other >= 0) blame(other, groups_[static_cast<std::size_t>(other)].num_blamed + 1);
  }
  const double cost = static_cast<double>(num_computed) * assignment.range_cost;
  if (!(seconds > 0) || !(cost > 0)) return;
  model.speeds[kind].cost += cost;
  model.speeds[kind].seconds += seconds;
  kind_speeds_[kind].cost += cost / model.fits[kind].rate;
  kind_speeds_[kind].seconds += seconds;
  GroupState& state = groups_[first];
  state.speed += 0.5 * (cost / seconds / rate(model, static_cast<int>(kind)) - state.speed);
}

void Policy::retry(const Assignment& failed) {
  check(!failed.is_final, "what failed for good is not tried again");
  take_back(failed, failed.group, true);
}

void Policy::put_back(const Assignment& ranges) {
  take_back(ranges, {-1, 0}, ranges.is_final);
}

void Policy::take_back(const Assignment& ranges, const Group& avoid, bool failed) {
  Model& model = models_[static_cast<std::size_t>(ranges.model_index)];
  const PendingUnit unit{ranges.model_index, ranges.first_range, ranges.num_ranges, ranges.range_cost};
  model.returned.push_back({unit, avoid, failed});
  model.cost_left += cost_of(unit);
  model.num_left += unit.num_ranges;
  num_left_ += unit.num_ranges;
  wakes_idle_ = true;
}

}  // namespace catenary::scheduler
