#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace catenary::cli {

/// STORE.running: which unit each rank is computing, a line a rank. What it says after a crash tells which unit each
/// rank had in hand; a sweep that ends well removes it.
class RunningUnits {
 public:
  /// On any rank; the file is made by the first. Where something else has its name, that is left alone, and nothing is
  /// noted.
  RunningUnits(const std::filesystem::path& store, int rank);
  ~RunningUnits();
  RunningUnits(const RunningUnits&) = delete;
  RunningUnits& operator=(const RunningUnits&) = delete;

  /// The id of the unit that this rank begins. A file that cannot be written is no reason to end a sweep.
  void set(std::string_view unit_id);

  /// By rank; empty where there is no such file. remove() leaves alone what is not ours.
  static std::map<int, std::string> read(const std::filesystem::path& store);
  static void remove(const std::filesystem::path& store);

 private:
  int file_ = -1;
  int rank_ = 0;
};

}  // namespace catenary::cli
