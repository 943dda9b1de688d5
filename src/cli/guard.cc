#include "cli/guard.h"

#include <fmt/format.h>

#include <exception>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "cli/exit_code.h"

namespace catenary::cli {

int guard(const std::function<int()>& command, const std::function<bool()>& speaks) {
  const auto fail = [&](const std::exception& e, ExitCode code) {
    if (speaks()) log::error(e.what());
    return static_cast<int>(code);
  };
  try {
    return command();
  } catch (const SpecError& e) {
    return fail(e, kExitWrongInput);
  } catch (const DataError& e) {
    return fail(e, kExitWrongInput);
  } catch (const std::exception& e) {
    return fail(e, kExitFailed);
  }
}

}  // namespace catenary::cli
