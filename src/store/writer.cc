#include "catenary/store/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/utf8.h"
#include "catenary/store/reader.h"
#include "store/carry_over.h"
#include "store/checksums.h"
#include "store/compare_layouts.h"
#include "store/create.h"
#include "store/h5.h"
#include "store/range_writer.h"
#include "store/store_lock.h"
#include "store/tables.h"

// Rank 0 alone makes the file and looks at one that is there: what goes wrong (a full disk, a damaged file) then goes
// wrong on one rank, outside of any collective call, and the others are told. After that HDF5 has closed the file, and
// all ranks write raw bytes at the places that it gave to the columns; so the file is whole at every moment.

namespace catenary::store {
namespace {

/// Collective. Runs `act` on rank 0 and gives its text to all; what it throws ends `open` on all ranks.
template <class Act>
std::string on_rank_0(const parallel::Communicator& communicator, Act act) {
  std::string answer;
  parallel::agree(communicator, [&] {
    if (communicator.rank() == 0) answer = act();
  });
  return communicator.broadcast(answer);
}

std::string stored_hash(const std::filesystem::path& path) {
  return read_text_attribute(H5File::open(path), "layout_hash");
}

/// Throws StoreError if the store that this rank sees is not the one that rank 0 sees.
void check_sight(const std::filesystem::path& path, const std::string& hash_of_rank_0) {
  const std::string end = "; the store must lie on a file system that all ranks share";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw StoreError(fmt::format("{} is not seen{}", path.string(), end));
  if (stored_hash(path) != hash_of_rank_0) {
    throw StoreError(fmt::format("{} is another store than rank 0 sees{}", path.string(), end));
  }
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

/// Throws SpecError that shows what differs if the store holds anything that this sweep would not compute the same.
void check_same_sweep(const std::filesystem::path& path, const Reader& reader, const Layout& layout) {
  const std::vector<std::string> differences = difference(reader.layout(), layout);
  if (differences.empty()) return;
  Problems problems;
  problems.add(fmt::format(
      "{}: this sweep cannot go on in this store; put right what differs, or take another -o and what still "
      "holds of this one with --reuse:",
      path.string()));
  for (const std::string& what : differences) problems.add("  " + what);
  problems.throw_if_any<SpecError>();
}

/// The states that a sweep finds; what is damaged is to be computed again.
std::vector<RangeState> states_of(const std::filesystem::path& path, const Reader& reader) {
  std::vector<RangeState> states;
  for (const StoredRange& stored : reader.ranges()) states.push_back(stored.state);
  const std::vector<std::size_t> damaged = reader.verify();
  for (const std::size_t i : damaged) states[i] = RangeState::kPending;
  if (!damaged.empty()) {
    log::warning(
        fmt::format("{}: {} ranges of items are damaged and will be computed again", path.string(), damaged.size()));
  }
  return states;
}

/// The store with the tables of this sweep in place of its own; nothing where they were others, or more is damaged.
std::optional<Reader> open_with_tables_of(const std::filesystem::path& path, const Layout& layout) try {
  return Reader(path, layout);
} catch (const StoreError&) {
  return std::nullopt;
}

/// The store that is there, and whether its tables are damaged: then it is read with those of this sweep, if that made
/// it. Throws StoreError where it cannot be read.
std::pair<Reader, bool> open_own(const std::filesystem::path& path, const Layout& layout) try {
  return {Reader(path), false};
} catch (const StoreError&) {
  std::optional<Reader> own = open_with_tables_of(path, layout);
  if (!own) throw;
  log::warning(fmt::format("{}: its tables are damaged; they are made anew", path.string()));
  return {std::move(*own), true};
}

/// What rank 0 found or made, as text for the broadcast.
struct Opened {
  bool resumed = false;
  std::vector<RangeState> states;
};

/// On rank 0: the store is there afterwards, with everything in it that this sweep need not compute.
Opened prepare(const std::filesystem::path& path, const Layout& layout, const std::vector<spec::ItemRange>& ranges,
               const std::vector<std::filesystem::path>& reuse) {
  Opened opened{.resumed = std::filesystem::exists(path), .states = {}};
  std::vector<Reader> sources;
  bool has_to_be_made = true;
  if (opened.resumed) {
    auto [own, is_damaged] = open_own(path, layout);
    sources.push_back(std::move(own));
    check_same_sweep(path, sources.front(), layout);
    check_same_cut(path, sources.front());
    has_to_be_made = is_damaged || !is_same_grid(sources.front().layout(), layout);
    if (!has_to_be_made) {
      opened.states = states_of(path, sources.front());
      sources.clear();
    } else if (!is_damaged) {
      log::info(
          fmt::format("{}: the spec is not laid out as the store is (it has more, say); the results are carried over "
                      "into a new file",
                      path.string()));
    }
  }
  for (const std::filesystem::path& other : reuse) sources.emplace_back(other);
  const auto num_done = [&opened] { return std::ranges::count(opened.states, RangeState::kDone); };
  const auto num_done_before = num_done();
  if (has_to_be_made) {
    opened.states = create_store(path, layout, ranges, sources);
  } else if (!sources.empty()) {
    carry_over(path, layout, ranges, sources, opened.states);
  }
  if (!sources.empty()) {
    log::info(fmt::format("{}: {} item ranges taken over", path.string(), num_done() - num_done_before));
  }
  return opened;
}

}  // namespace

struct Writer::State {
  const parallel::Communicator* communicator = nullptr;
  std::optional<StoreLock> lock;  // rank 0 has it
  std::filesystem::path path;
  Durability durability = Durability::kEnd;
  bool resumed = false;
  std::vector<spec::ItemRange> ranges;
  std::vector<RangeState> states;
  std::optional<RangeWriter> range_writer;
  std::optional<Run> run;  // on rank 0, if there is something to do
  std::int32_t run_index = 0;

  ~State() {
    if (range_writer && lock) {
      log::warning(fmt::format("{}: the store was not closed; what was written is in it", path.string()));
    }
  }
};

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Writer Writer::open(const parallel::Communicator& communicator, const std::filesystem::path& given_path,
                    const Layout& layout, const WriterOptions& options) {
  // Through a link the store is the file that it leads to: that has the lock, and that is what grows.
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::weakly_canonical(given_path, ignored);
  if (path.empty()) path = given_path;
  auto state = std::make_unique<State>();
  State& s = *state;
  s.communicator = &communicator;
  s.path = path;
  s.durability = options.durability;
  Tables tables;
  std::string hash;
  parallel::agree(communicator, [&] {
    s.ranges = cut_into_ranges(layout);
    tables = tables_of(layout, s.ranges);
    hash = layout_hash(layout, tables);
  });
  const std::string hash_of_rank_0 = communicator.broadcast(hash);
  parallel::agree(communicator, [&] {
    if (hash == hash_of_rank_0) return;
    throw StoreError(
        fmt::format("{}: another sweep than rank 0 was given; start all ranks with the same spec, files and options",
                    path.string()));
  });

  const std::string opened = on_rank_0(communicator, [&] {
    s.lock.emplace(path);
    const Opened found = prepare(path, layout, s.ranges, options.reuse);
    std::string text(1, found.resumed ? 'r' : 'c');
    for (const RangeState range : found.states) text.push_back(static_cast<char>(range));
    return text;
  });
  s.resumed = opened.front() == 'r';
  for (const char c : std::string_view(opened).substr(1)) s.states.push_back(static_cast<RangeState>(c));

  const std::string hash_in_file = on_rank_0(communicator, [&] { return stored_hash(path); });
  parallel::agree(communicator, [&] { check_sight(path, hash_in_file); });
  s.run_index = std::stoi(on_rank_0(communicator, [&] { return std::to_string(next_run_index(path)); }));
  parallel::agree(communicator, [&] {
    s.range_writer.emplace(path, std::move(tables));
    const bool has_work = std::ranges::any_of(s.states, [](RangeState r) { return r != RangeState::kDone; });
    if (communicator.rank() != 0 || !has_work) return;
    s.run = new_run(communicator, layout.provenance);
    s.range_writer->write_run(static_cast<std::size_t>(s.run_index), *s.run);
  });
  return Writer(std::move(state));
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
  const State& s = *state_;
  check(s.range_writer.has_value(), "a write to a store that is closed");
  s.range_writer->write(range_index, result, {s.run_index, s.communicator->rank(), seconds_since_1970()},
                        s.durability == Durability::kRange);
}

void Writer::close() {
  State& s = *state_;
  check(s.range_writer.has_value(), "a store that is closed twice");
  parallel::agree(*s.communicator, [&s] {
    if (s.run) {
      s.run->finished = seconds_since_1970();
      s.range_writer->write_run(static_cast<std::size_t>(s.run_index), *s.run);
    }
    // A disk that refuses what the system took says so here.
    if (s.durability != Durability::kNone) sync_to_disk(s.path, s.path);
    s.range_writer.reset();
  });
  s.lock.reset();
}

}  // namespace catenary::store
