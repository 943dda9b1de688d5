#pragma once

namespace catenary::tokenizer {

/// One visitor for std::visit out of several lambdas.
template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace catenary::tokenizer
