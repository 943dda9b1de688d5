#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/short_number.h"
#include "catenary/spec/catalogue.h"
#include "catenary/weights/cost.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/models.h"
#include "cli/light/text_table.h"
#include "cli/wrapped.h"

namespace catenary::cli {
namespace {

using spec::PublicLadder;
using spec::PublicModel;

bool contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

// A ladder whose name has `part` in it, whole; of others the models that have.
std::vector<PublicLadder> select(std::string_view part) {
  std::vector<PublicLadder> selected;
  for (PublicLadder ladder : spec::public_ladders()) {
    if (!contains(ladder.name, part)) {
      std::erase_if(ladder.models, [&](const PublicModel& model) {
        return !contains(model.base.value_or(""), part) && !contains(model.instruct.value_or(""), part);
      });
    }
    if (!ladder.models.empty()) selected.push_back(std::move(ladder));
  }
  return selected;
}

std::optional<double> training_flops(const PublicModel& model) {
  const auto n = model.num_active_parameters ? model.num_active_parameters : model.num_parameters;
  if (!n || !model.training_tokens) return std::nullopt;
  return weights::training_flops({.active = *n}, *model.training_tokens);
}

template <class T>
Json to_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

void print_json(const std::vector<PublicLadder>& ladders) {
  Json json{{"ladders", Json::array()}};
  for (const PublicLadder& ladder : ladders) {
    Json models = Json::array();
    for (const PublicModel& model : ladder.models) {
      models.push_back({{"base", to_json(model.base)},
                        {"instruct", to_json(model.instruct)},
                        {"num_parameters", to_json(model.num_parameters)},
                        {"num_non_embedding_parameters", to_json(model.num_non_embedding_parameters)},
                        {"num_active_parameters", to_json(model.num_active_parameters)},
                        {"training_tokens", to_json(model.training_tokens)},
                        {"training_flops", to_json(training_flops(model))}});
    }
    json["ladders"].push_back({{"ladder", ladder.name}, {"source", ladder.source}, {"models", models}});
  }
  cli::print_json(json);
}

template <class T>
std::string cell(const std::optional<T>& value) {
  return value ? short_number(static_cast<double>(*value)) : "-";
}

void print_table(const std::vector<PublicLadder>& ladders) {
  std::vector<std::vector<std::string>> rows{{"model", "params", "no emb", "active", "tokens", "FLOPs"}};
  std::string sources;
  for (const PublicLadder& ladder : ladders) {
    rows.push_back({ladder.name});
    for (const PublicModel& model : ladder.models) {
      rows.push_back({model.base ? "  " + *model.base : "i " + *model.instruct, cell(model.num_parameters),
                      cell(model.num_non_embedding_parameters), cell(model.num_active_parameters),
                      cell(model.training_tokens), cell(training_flops(model))});
      if (model.base && model.instruct) rows.push_back({"i " + *model.instruct, ""});
    }
    sources += wrapped(fmt::format("{}: {}", ladder.name, ladder.source), 78, "  ") + '\n';
  }
  fmt::print("{}\n{}\n", text_table(rows, {1, 2, 3, 4, 5}), sources);
  fmt::print(
      "i: instruction-tuned, of the parameters in the line above if it has none.\n"
      "no emb: parameters without embeddings; active: those that a token uses; tokens\n"
      "and FLOPs are of training, FLOPs 6 N D with N the active parameters. \"-\": not\n"
      "stated there.\n");
}

}  // namespace

int list_models(const ModelsListArgs& args) {
  const auto ladders = select(args.name);
  if (ladders.empty()) {
    throw SpecError(
        fmt::format("no ladder and no model has \"{}\" in its name; `catenary models list` shows all", args.name));
  }
  args.json ? print_json(ladders) : print_table(ladders);
  return kExitDone;
}

}  // namespace catenary::cli
