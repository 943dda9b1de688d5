#pragma once

#include <string>
#include <vector>

#include "catenary/store/schema.h"

namespace catenary::store {

/// What two layouts have under the same name and yet otherwise: numerics, models, tasks, conditions, units. The names
/// of the layouts are for the messages. Empty if both may lie in one store.
std::vector<std::string> conflicts(const Layout& a, const std::string& name_a, const Layout& b,
                                   const std::string& name_b);

/// Why a sweep of layout `wanted` cannot go on with what a store of layout `stored` holds; empty if it can. It may have
/// more models, tasks and conditions, in another order; paths, the spec's text and provenance may differ.
std::vector<std::string> difference(const Layout& stored, const Layout& wanted);

/// Whether it can go on in the same file: nothing is added, and all is in the same order.
bool is_same_grid(const Layout& stored, const Layout& wanted);

}  // namespace catenary::store
