#include "catenary/store/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/utf8.h"
#include "catenary/store/reader.h"
#include "store/create.h"
#include "store/h5.h"
#include "store/range_writer.h"
#include "store/store_lock.h"
#include "store/tables.h"

// Rank 0 alone makes the file and looks at one that is there: what goes wrong (a full disk, a damaged file) then goes
// wrong on one rank, outside of any collective call, and the others are told. After that all ranks open the file
// together and write raw data independently; no metadata changes, so the file is whole at every moment.

namespace catenary::store {
namespace {

/// Collective. Runs `act` on rank 0 and gives its text to all; what it throws is thrown on all ranks.
template <class Act>
std::string on_rank_0(const parallel::Communicator& communicator, Act act) {
  std::string answer;
  if (communicator.rank() == 0) {
    try {
      answer = "+" + act();
    } catch (const std::exception& e) {
      answer = fmt::format("-{}", e.what());
    }
  }
  answer = communicator.broadcast(answer);
  if (answer.front() == '-') throw StoreError(answer.substr(1));
  return answer.substr(1);
}

/// Collective. `find` returns what is wrong on this rank, or "", and may throw; if anything is wrong anywhere, all
/// ranks throw the StoreError of the first such rank.
template <class Find>
void agree_that_nothing_is_wrong(const parallel::Communicator& communicator, Find find) {
  std::string own;
  try {
    own = find();
  } catch (const std::exception& e) {
    own = e.what();
    if (own.empty()) own = "error without a message";
  }
  for (const std::string& problem : communicator.all_gather(own)) {
    if (!problem.empty()) throw StoreError(problem);
  }
}

std::string stored_hash(const std::filesystem::path& path) {
  return read_text_attribute(H5File::open(path), "layout_hash");
}

/// What is wrong with the store as this rank sees it; "" if it is the one that rank 0 sees.
std::string problem_of_sight(int rank, const std::filesystem::path& path, const std::string& hash_of_rank_0) {
  const std::string end = "; the store must lie on a file system that all ranks share";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return fmt::format("rank {} does not see {}{}", rank, path.string(), end);
  if (stored_hash(path) == hash_of_rank_0) return "";
  return fmt::format("rank {} sees another store at {} than rank 0{}", rank, path.string(), end);
}

/// The first row of /runs that is free, or else the last.
std::size_t next_run_index(const std::filesystem::path& path) {
  return std::min(Reader(path).runs().size(), kNumRunRows - 1);
}

Run new_run(const parallel::Communicator& communicator, const Provenance& provenance) {
  const auto cut = [](const std::string& text, std::size_t width) { return std::string(cut_utf8(text, width)); };
  return {.started = seconds_since_1970(),
          .finished = kNaN,
          .num_ranks = communicator.size(),
          .host = cut(provenance.host, sizeof(HostText)),
          .catenary_version = cut(provenance.catenary_version, sizeof(VersionText)),
          .libtorch_version = cut(provenance.libtorch_version, sizeof(VersionText))};
}

/// Stores of this process that are open. Not a bool: tests have several.
std::atomic<int> num_open = 0;

/// The state of each range, as text for the broadcast; throws StoreError if the store is not this sweep's.
std::string states_of(const std::filesystem::path& path, const Layout& layout,
                      const std::vector<spec::ItemRange>& ranges) {
  const Reader reader(path);
  const std::vector<std::string> differences = difference(reader.layout(), layout);
  if (!differences.empty()) {
    Problems problems;
    problems.add(fmt::format("{}: this sweep cannot go on in this store; take another -o, or put right what differs:",
                             path.string()));
    for (const std::string& what : differences) problems.add("  " + what);
    problems.throw_if_any<StoreError>();
  }
  std::string states;
  for (const StoredRange& stored : reader.ranges()) {
    const std::size_t i = states.size();
    if (i >= ranges.size() || stored.range.num_items != ranges[i].num_items) {
      throw StoreError(
          fmt::format("{}: its items are cut into other ranges than this Catenary's ({} items); take another -o",
                      path.string(), spec::kItemsPerRange));
    }
    states.push_back(static_cast<char>(stored.state));
  }
  const std::vector<std::size_t> damaged = reader.verify();
  for (const std::size_t i : damaged) states[i] = static_cast<char>(RangeState::kPending);
  if (!damaged.empty()) {
    log::warning(
        fmt::format("{}: {} ranges of items are damaged and will be computed again", path.string(), damaged.size()));
  }
  return states;
}

}  // namespace

struct Writer::State {
  const parallel::Communicator* communicator = nullptr;
  std::optional<StoreLock> lock;  // rank 0 has it
  std::filesystem::path path;
  bool resumed = false;
  std::vector<spec::ItemRange> ranges;
  std::vector<RangeState> states;
  H5File file;
  std::optional<RangeWriter> range_writer;
  std::optional<Run> run;  // on rank 0, if there is something to do
  std::int32_t run_index = 0;

  ~State() {
    if (!file) return;
    // Closing is collective, and the other ranks may never come. What was written is in the file.
    if (lock) log::warning(fmt::format("{}: the store was not closed; what was written is in it", path.string()));
    file.abandon();
  }
};

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Writer Writer::open(const parallel::Communicator& communicator, const std::filesystem::path& path,
                    const Layout& layout) {
  auto state = std::make_unique<State>();
  State& s = *state;
  s.communicator = &communicator;
  s.path = path;
  Tables tables;
  std::string hash;
  parallel::agree(communicator, [&] {
    s.ranges = cut_into_ranges(layout);
    tables = tables_of(layout, s.ranges);
    hash = layout_hash(layout, tables);
  });
  const std::string hash_of_rank_0 = communicator.broadcast(hash);
  agree_that_nothing_is_wrong(communicator, [&]() -> std::string {
    if (hash == hash_of_rank_0) return "";
    return fmt::format(
        "{}: rank {} was given another sweep than rank 0; start all ranks with the same spec, files and options",
        path.string(), communicator.rank());
  });

  const std::string states = on_rank_0(communicator, [&]() -> std::string {
    s.lock.emplace(path);
    if (std::filesystem::exists(path)) return "r" + states_of(path, layout, s.ranges);
    create_store(path, layout, s.ranges);
    return "c" + std::string(s.ranges.size(), static_cast<char>(RangeState::kPending));
  });
  s.resumed = states.front() == 'r';
  for (const char c : std::string_view(states).substr(1)) s.states.push_back(static_cast<RangeState>(c));

  // A rank that cannot open the file would leave the others in the collective open.
  const std::string hash_in_file = on_rank_0(communicator, [&] { return stored_hash(path); });
  s.run_index = std::stoi(on_rank_0(communicator, [&] { return std::to_string(next_run_index(path)); }));
  agree_that_nothing_is_wrong(communicator, [&] { return problem_of_sight(communicator.rank(), path, hash_in_file); });
  ++num_open;
  parallel::agree(communicator, [&] {
    s.file = H5File::open_parallel(path, communicator.mpi_comm());
    s.range_writer.emplace(s.file, std::move(tables));
    const bool has_work = std::ranges::any_of(s.states, [](RangeState r) { return r != RangeState::kDone; });
    if (communicator.rank() != 0 || !has_work) return;
    s.run = new_run(communicator, layout.provenance);
    write_run(s.file, static_cast<std::size_t>(s.run_index), *s.run);
  });
  return Writer(std::move(state));
}

bool Writer::is_any_open() noexcept {
  return num_open > 0;
}

bool Writer::resumed() const {
  return state_->resumed;
}
const std::vector<spec::ItemRange>& Writer::ranges() const {
  return state_->ranges;
}
const std::vector<RangeState>& Writer::states() const {
  return state_->states;
}

void Writer::write(std::size_t range_index, const spec::RangeResult& result) {
  check(state_->range_writer.has_value(), "a write to a store that is closed");
  state_->range_writer->write(range_index, result, {state_->run_index, state_->communicator->rank()});
}

void Writer::close() {
  State& s = *state_;
  check(static_cast<bool>(s.file), "a store that is closed twice");
  // What fails on one rank must fail before the collective calls. A disk that refuses what the system took says so in
  // fsync, which is each rank's own.
  parallel::agree(*s.communicator, [&s] {
    if (s.run) {
      s.run->finished = seconds_since_1970();
      write_run(s.file, static_cast<std::size_t>(s.run_index), *s.run);
    }
    sync_to_disk(s.path, s.path);
  });
  parallel::agree(*s.communicator, [&s] {
    s.range_writer.reset();
    s.file.flush();
  });
  parallel::agree(*s.communicator, [&s] { s.file.close(); });
  --num_open;
  s.lock.reset();
}

}  // namespace catenary::store
