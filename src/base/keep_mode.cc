#include "catenary/base/keep_mode.h"

#include <sys/stat.h>
#include <unistd.h>

namespace catenary {

void keep_mode(const std::filesystem::path& old, const std::filesystem::path& replacement) {
  struct stat status {};
  if (::stat(old.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  [[maybe_unused]] const int is_owner_kept = ::chown(replacement.c_str(), status.st_uid, status.st_gid);
  [[maybe_unused]] const int is_mode_kept = ::chmod(replacement.c_str(), status.st_mode & 0777);
}

}  // namespace catenary
