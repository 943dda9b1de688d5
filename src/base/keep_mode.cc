#include "catenary/base/keep_mode.h"

#include <sys/stat.h>
#include <unistd.h>

namespace catenary {

void keep_mode(const std::filesystem::path& old, const std::filesystem::path& replacement) {
  struct stat status {};
  if (::stat(old.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const uid_t nobody_new = static_cast<uid_t>(-1);  // leaves it
  [[maybe_unused]] const int owner = ::chown(replacement.c_str(), status.st_uid, static_cast<gid_t>(-1));
  const bool is_group_kept = ::chown(replacement.c_str(), nobody_new, status.st_gid) == 0;
  const mode_t kept = is_group_kept ? 0777 : 0707;  // another group gets nothing
  [[maybe_unused]] const int mode = ::chmod(replacement.c_str(), status.st_mode & kept);
}

}  // namespace catenary
