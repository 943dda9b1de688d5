#include "catenary/scheduler/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
#include <random>
#include <utility>

#include "catenary/base/check.h"

namespace catenary::scheduler {
namespace {

constexpr double kOutage = 3600;

// What computing really takes.
class Truth {
 public:
  Truth(const Work& work, const Disturbances& disturbances) : work_(work), speed_of_node_(num_nodes(), 1.0) {
    std::mt19937_64 random(disturbances.seed);
    std::uniform_real_distribution<double> factor(1 - disturbances.cost_error, 1 + disturbances.cost_error);
    for (std::size_t m = 0; m < work.models.size(); ++m) model_factor_.push_back(factor(random));
    for (const PendingUnit& unit : work.units) {
      first_ranges_.push_back(unit.first_range);
      unit_factor_.push_back(static_cast<float>(factor(random)));
      check(first_ranges_.size() < 2 || unit.first_range > first_ranges_[first_ranges_.size() - 2],
            "units are given in the order of their ranges");
    }
    std::vector<std::size_t> nodes(speed_of_node_.size());
    std::iota(nodes.begin(), nodes.end(), 0);
    std::ranges::shuffle(nodes, random);
    const auto num_slow =
        static_cast<std::size_t>(std::llround(disturbances.slow_nodes * static_cast<double>(nodes.size())));
    for (std::size_t i = 0; i < num_slow; ++i) speed_of_node_[nodes[i]] = 0.5;
    lost_node_ = static_cast<int>(nodes.back());
  }

  double seconds(const Assignment& a) const {
    const auto unit =
        static_cast<std::size_t>(std::ranges::upper_bound(first_ranges_, a.first_range) - first_ranges_.begin() - 1);
    const Fit& fit = fit_of(a.model_index, a.group.first_rank);
    return static_cast<double>(a.num_ranges) * a.range_cost / fit.rate * factor(unit) / speed(a.group);
  }

  // A group is as slow as its slowest node.
  double speed(const Group& group) const {
    double slowest = 1;
    for (int rank = group.first_rank; rank < group.first_rank + group.num_ranks; ++rank) {
      slowest =
          std::min(slowest, speed_of_node_[static_cast<std::size_t>(work_.ranks[static_cast<std::size_t>(rank)].node)]);
    }
    return slowest;
  }

  const Fit& fit_of(std::int32_t model_index, int rank) const {
    return work_.models[static_cast<std::size_t>(model_index)]
                       [static_cast<std::size_t>(work_.ranks[static_cast<std::size_t>(rank)].kind)];
  }

  // Of one range on the kind of device that needs least for it: of all its ranks together, or of the group.
  double range_seconds(std::size_t unit, bool of_all_ranks) const {
    const PendingUnit& pending = work_.units[unit];
    double least = 0;
    for (const Fit& fit : work_.models[static_cast<std::size_t>(pending.model_index)]) {
      if (fit.group_size == 0) continue;
      const double seconds = pending.range_cost / fit.rate * factor(unit) * (of_all_ranks ? fit.group_size : 1);
      if (least == 0 || seconds < least) least = seconds;
    }
    return least;
  }
  double rank_seconds(std::size_t unit) const {
    return static_cast<double>(work_.units[unit].num_ranges) * range_seconds(unit, true);
  }

  double lower_bound() const {
    double total = 0, longest = 0;
    for (std::size_t unit = 0; unit < work_.units.size(); ++unit) {
      total += rank_seconds(unit);
      double load = -1;
      for (const Fit& fit : work_.models[static_cast<std::size_t>(work_.units[unit].model_index)]) {
        if (fit.group_size > 0 && (load < 0 || fit.load_seconds < load)) load = fit.load_seconds;
      }
      longest = std::max(longest, load + range_seconds(unit, false));
    }
    return std::max(total / static_cast<double>(work_.ranks.size()), longest);
  }

  Group lost_ranks() const {
    const auto is_there = [&](const RankPlace& place) { return place.node == lost_node_; };
    const auto first = std::ranges::find_if(work_.ranks, is_there);
    return {static_cast<int>(first - work_.ranks.begin()),
            static_cast<int>(std::ranges::count_if(work_.ranks, is_there))};
  }

 private:
  std::size_t num_nodes() const {
    int last = 0;
    for (const RankPlace& place : work_.ranks) last = std::max(last, place.node);
    return static_cast<std::size_t>(last) + 1;
  }
  double factor(std::size_t unit) const {
    return model_factor_[static_cast<std::size_t>(work_.units[unit].model_index)] *
           static_cast<double>(unit_factor_[unit]);
  }

  const Work& work_;
  std::vector<double> model_factor_;
  std::vector<std::size_t> first_ranges_;
  std::vector<float> unit_factor_;
  std::vector<double> speed_of_node_;
  int lost_node_ = 0;
};

// The sweep with its policy, event by event.
class Player {
 public:
  Player(const Work& work, const Disturbances& disturbances, bool with_bars)
      : work_(work), truth_(work, disturbances), policy_(work), with_bars_(with_bars), ranks_(work.ranks.size()) {
    result_.lower_bound_seconds = truth_.lower_bound();
    if (disturbances.lose_a_node) {
      const double lost_at = result_.lower_bound_seconds / 3;
      events_.push({lost_at, [this] { lose(); }});
      events_.push({lost_at + kOutage, [this] { rejoin(); }});
    }
  }

  Simulation play() {
    ask_for_idle();
    while (policy_.num_left() > 0) {
      check(!events_.empty(), "a sweep with ranges left has something under way");
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      event.act();
    }
    result_.makespan_seconds = now_;
    result_.utilization = compute_seconds_ / (now_ * static_cast<double>(work_.ranks.size()));
    result_.seconds_per_decision = policy_seconds_ / static_cast<double>(result_.num_decisions);
    for (auto& bars : bars_) std::ranges::move(bars.second, std::back_inserter(result_.bars));
    return std::move(result_);
  }

 private:
  struct Event {
    double time;
    std::function<void()> act;
    bool operator<(const Event& other) const { return time > other.time; }  // the earliest on top
  };
  // Of the group that begins with this rank.
  struct Rank {
    double free_at = 0;
    std::int32_t model_index = -1;  // loaded by then
    int generation = 0;             // changes when the rank is lost or its group is formed anew
  };

  template <class Act>
  auto timed(Act act) {
    const auto start = std::chrono::steady_clock::now();
    auto answer = act();
    policy_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++result_.num_decisions;
    return answer;
  }

  Rank& rank(int index) { return ranks_[static_cast<std::size_t>(index)]; }

  void ask_for_idle() {
    for (const Group& group : policy_.take_idle()) ask(group.first_rank);
  }

  void ask(int first_rank) {
    const Rank before = rank(first_rank);
    for (const Assignment& a : timed([&] { return policy_.assign(first_rank); })) {
      const Group& group = a.group;
      for (int i = group.first_rank; i < group.first_rank + group.num_ranks; ++i)
        rank(i).free_at = std::max(before.free_at, now_);
      start(a, group.first_rank == first_rank ? before.model_index : -1);
    }
  }

  void start(const Assignment& a, std::int32_t loaded) {
    Rank& leader = rank(a.group.first_rank);
    const double load_begin = leader.free_at;
    const double load = loaded == a.model_index ? 0 : truth_.fit_of(a.model_index, a.group.first_rank).load_seconds;
    const double seconds = truth_.seconds(a);
    const double end = load_begin + load + seconds;
    leader.free_at = end;
    leader.model_index = a.model_index;
    result_.load_seconds += load * a.group.num_ranks;
    const std::int64_t id = next_id_++;
    under_way_[id] = a;
    events_.push({end, [this, id, seconds] { finish(id, seconds); }});
    // It asks again when it begins.
    events_.push({load_begin, [this, first = a.group.first_rank, generation = leader.generation] {
                    if (rank(first).generation == generation) ask(first);
                  }});
    if (with_bars_) add_bar(a, load_begin, load_begin + load, end);
  }

  void finish(std::int64_t id, double seconds) {
    const auto found = under_way_.find(id);
    if (found == under_way_.end()) return;  // lost with its node
    const Assignment& a = found->second;
    compute_seconds_ += seconds * a.group.num_ranks;
    timed([&] { return policy_.finish(a, a.num_ranges, seconds), 0; });
    under_way_.erase(found);
    ask_for_idle();
  }

  void lose() {
    const Group lost = truth_.lost_ranks();
    for (auto entry = under_way_.begin(); entry != under_way_.end();) {
      const Assignment& a = entry->second;
      if (!overlap(a.group, lost)) {
        ++entry;
        continue;
      }
      for (int i = a.group.first_rank; i < a.group.first_rank + a.group.num_ranks; ++i) forget(i);
      policy_.finish(a, 0, 0);
      policy_.put_back(a);
      entry = under_way_.erase(entry);
    }
    policy_.lose(lost.first_rank, lost.num_ranks);
    ask_for_idle();
  }

  void rejoin() {
    const Group lost = truth_.lost_ranks();
    for (int i = lost.first_rank; i < lost.first_rank + lost.num_ranks; ++i) forget(i);
    policy_.join(lost.first_rank, lost.num_ranks);
    ask_for_idle();
  }

  void forget(int index) {
    rank(index) = {.free_at = now_, .model_index = -1, .generation = rank(index).generation + 1};
  }

  void add_bar(const Assignment& a, double load_begin, double begin, double end) {
    std::vector<Bar>& bars = bars_[a.group.first_rank];
    if (!bars.empty() && bars.back().model_index == a.model_index && bars.back().end == load_begin &&
        bars.back().group.num_ranks == a.group.num_ranks) {
      bars.back().end = end;
    } else {
      bars.push_back({a.group, a.model_index, load_begin, begin, end});
    }
  }

  const Work& work_;
  Truth truth_;
  Policy policy_;
  bool with_bars_;
  std::vector<Rank> ranks_;
  std::map<std::int64_t, Assignment> under_way_;
  std::map<int, std::vector<Bar>> bars_;
  std::priority_queue<Event> events_;
  double now_ = 0;
  std::int64_t next_id_ = 0;
  double compute_seconds_ = 0, policy_seconds_ = 0;
  Simulation result_;
};

// Time when `rank_seconds` of work on these ranks are done, one after another.
double end_of(double seconds, const Group& group, const Truth& truth, const Disturbances& disturbances,
              double lost_at) {
  const double end = seconds / truth.speed(group);
  const bool waits = disturbances.lose_a_node && end > lost_at && overlap(group, truth.lost_ranks());
  return waits ? end + kOutage : end;
}

Simulation play_dealt(const Work& work, const Disturbances& disturbances, bool longest_first) {
  const Truth truth(work, disturbances);
  Simulation result{.lower_bound_seconds = truth.lower_bound()};
  int size = 1;
  for (const PendingUnit& unit : work.units) {
    for (const Fit& fit : work.models[static_cast<std::size_t>(unit.model_index)])
      size = std::max(size, fit.group_size);
  }
  const std::size_t num_groups = std::max<std::size_t>(1, work.ranks.size() / static_cast<std::size_t>(size));
  std::vector<std::size_t> order(work.units.size());
  std::iota(order.begin(), order.end(), 0);
  const auto predicted = [&](std::size_t unit) {
    const PendingUnit& u = work.units[unit];
    const Fit& fit = truth.fit_of(u.model_index, 0);
    return static_cast<double>(u.num_ranges) * u.range_cost / fit.rate * fit.group_size;
  };
  using Load = std::pair<double, std::size_t>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (std::size_t g = 0; g < num_groups; ++g) least.push({0.0, g});
  if (longest_first) std::ranges::stable_sort(order, std::ranges::greater(), predicted);
  std::vector<double> seconds(num_groups, 0.0);
  std::vector<std::vector<bool>> loads(num_groups, std::vector<bool>(work.models.size()));
  double compute = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::size_t g = i % num_groups;
    if (longest_first) {
      const Load load = least.top();
      least.pop();
      g = load.second;
      least.push({load.first + predicted(order[i]), g});
    }
    const double rank_seconds = truth.rank_seconds(order[i]);
    const auto model_index = work.units[order[i]].model_index;
    seconds[g] += rank_seconds / size;
    compute += rank_seconds;
    if (!loads[g][static_cast<std::size_t>(model_index)]) seconds[g] += truth.fit_of(model_index, 0).load_seconds;
    loads[g][static_cast<std::size_t>(model_index)] = true;
  }
  for (std::size_t g = 0; g < num_groups; ++g) {
    const Group group{static_cast<int>(g) * size, size};
    result.makespan_seconds = std::max(result.makespan_seconds,
                                       end_of(seconds[g], group, truth, disturbances, result.lower_bound_seconds / 3));
  }
  result.utilization = compute / (result.makespan_seconds * static_cast<double>(work.ranks.size()));
  return result;
}

Simulation play_jobs(const Work& work, const Disturbances& disturbances, bool by_parameters) {
  const Truth truth(work, disturbances);
  Simulation result{.lower_bound_seconds = truth.lower_bound()};
  std::vector<double> rank_seconds(work.models.size(), 0.0), weight(work.models.size(), 0.0),
      lost(work.models.size(), 0.0);
  for (std::size_t unit = 0; unit < work.units.size(); ++unit) {
    rank_seconds[static_cast<std::size_t>(work.units[unit].model_index)] += truth.rank_seconds(unit);
  }
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    const Fit& fit = truth.fit_of(static_cast<std::int32_t>(m), 0);
    if (rank_seconds[m] > 0) weight[m] = by_parameters ? fit.load_seconds * fit.group_size : 1;
  }
  const double total_weight = std::accumulate(weight.begin(), weight.end(), 0.0);
  double compute = 0;
  int first = 0;
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    if (rank_seconds[m] == 0) continue;
    const Fit& fit = truth.fit_of(static_cast<std::int32_t>(m), 0);
    const auto share = static_cast<int>(weight[m] / total_weight * static_cast<double>(work.ranks.size()));
    const int num_groups = std::max(1, share / fit.group_size);
    // Its groups take units as they get free.
    const auto all = static_cast<int>(work.ranks.size());
    double capacity = 0;
    for (int g = 0; g < num_groups; ++g, first += fit.group_size) {
      const Group group{std::min(first, all - fit.group_size), fit.group_size};
      capacity += truth.speed(group) * fit.group_size;
      if (disturbances.lose_a_node && overlap(group, truth.lost_ranks())) lost[m] += kOutage * fit.group_size;
    }
    compute += rank_seconds[m];
    result.makespan_seconds =
        std::max(result.makespan_seconds, fit.load_seconds + (rank_seconds[m] + lost[m]) / capacity);
  }
  result.utilization = compute / (result.makespan_seconds * static_cast<double>(work.ranks.size()));
  return result;
}

// 1, 2 or 5 times a power of ten.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

}  // namespace

Simulation simulate(const Work& work, const Disturbances& disturbances, Strategy strategy, bool with_bars) {
  switch (strategy) {
    case Strategy::kPolicy:
      return Player(work, disturbances, with_bars).play();
    case Strategy::kRoundRobin:
    case Strategy::kLongestFirst:
      return play_dealt(work, disturbances, strategy == Strategy::kLongestFirst);
    case Strategy::kJobsOfEqualSize:
    case Strategy::kJobsByParameters:
      break;
  }
  return play_jobs(work, disturbances, strategy == Strategy::kJobsByParameters);
}

std::string to_svg(const Simulation& simulation, const std::vector<std::string>& model_names, int num_ranks) {
  constexpr double kLeft = 70, kTop = 30, kWidth = 900, kHeight = 480, kLegend = 190;
  const int num_rows = std::min(num_ranks, 200);
  const double row_height = kHeight / num_rows;
  const double scale = kWidth / simulation.makespan_seconds;
  // Small models red, large ones violet.
  const auto color = [&](std::int32_t model) {
    return fmt::format("hsl({},60%,{}%)", 290 * model / static_cast<int>(model_names.size()), model % 2 == 0 ? 45 : 62);
  };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kWidth + kLegend, kTop + kHeight + 40);
  for (const Bar& bar : simulation.bars) {
    for (int row = 0; row < num_rows; ++row) {
      const auto rank = static_cast<int>(static_cast<std::int64_t>(row) * num_ranks / num_rows);
      if (!bar.group.has(rank)) continue;
      const double y = kTop + row * row_height;
      const auto rectangle = [&](double begin, double end, const std::string& fill) {
        if (end <= begin) return;
        svg += fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"/>\n",
                           kLeft + begin * scale, y, (end - begin) * scale, row_height + 0.05, fill);
      };
      rectangle(bar.load_begin, bar.begin, "#bbb");
      rectangle(bar.begin, bar.end, color(bar.model_index));
    }
  }
  const auto& [unit, unit_seconds] = simulation.makespan_seconds > 7200  ? std::pair("hours", 3600.0)
                                     : simulation.makespan_seconds > 300 ? std::pair("minutes", 60.0)
                                                                         : std::pair("seconds", 1.0);
  const double step = round_step(simulation.makespan_seconds / unit_seconds / 6);
  for (int tick = 0; tick * step * unit_seconds <= simulation.makespan_seconds; ++tick) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.3g}</text>\n",
                       kLeft + tick * step * unit_seconds * scale, kTop + kHeight + 16, tick * step);
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kLeft + kWidth / 2,
                     kTop + kHeight + 32, unit);
  svg += fmt::format("<text x=\"8\" y=\"{}\">device 0</text>\n<text x=\"8\" y=\"{}\">{}</text>\n", kTop + 10,
                     kTop + kHeight, num_ranks - 1);
  const auto escaped = [](const std::string& name) {
    std::string text;
    for (const char c : name) text += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return text;
  };
  svg += fmt::format(
      "<rect x=\"{0}\" y=\"{1}\" width=\"10\" height=\"10\" fill=\"#bbb\"/><text x=\"{2}\" y=\"{3}\">loading</text>\n",
      kLeft + kWidth + 15, kTop, kLeft + kWidth + 30, kTop + 9);
  for (std::size_t m = 0; m < model_names.size(); ++m) {
    const double y = kTop + 17 * static_cast<double>(m + 1);
    svg += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
        kLeft + kWidth + 15, y, color(static_cast<std::int32_t>(m)), kLeft + kWidth + 30, y + 9,
        escaped(model_names[m]));
  }
  return svg + "</svg>\n";
}

}  // namespace catenary::scheduler
