// A field that changes what a model computes is either understood or refused, never skipped: a skipped rope scaling or
// bias gives log-likelihoods that look right. Fields that only concern training, generation or storage are not looked
// at. Defaults are those of transformers' config classes. What a field means is each family's affair (families/).
#include "weights/read_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "weights/json_file.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

using nlohmann::json;

/// "supported: bloom, falcon, …"
std::string supported(std::string_view (*name)(const Family&)) {
  std::vector<std::string_view> names;
  for (const Family* family : families()) {
    if (!name(*family).empty()) names.push_back(name(*family));
  }
  std::ranges::sort(names);
  return fmt::format("supported: {}", fmt::join(names, ", "));
}

bool is_class_of(const Family& family, const json& classes) {
  return classes == json::array({family.model_class}) ||
         (!family.other_class.empty() && classes == json::array({family.other_class}));
}

/// By model_type, or by the class where a config lacks it; both must agree.
const Family* find_family_of(HfFields& fields) {
  const json* type = fields.find("model_type");
  const json* classes = fields.find("architectures");
  const Family* family = nullptr;
  if (type != nullptr) {
    if (type->is_string()) family = find_family(type->get<std::string>());
    if (family == nullptr) {
      fields.problem("model_type", fmt::format("{} is not supported yet ({})", shown_json(*type),
                                               supported([](const Family& f) { return f.model_type; })));
    }
  } else if (classes != nullptr) {
    for (const Family* f : families()) {
      if (is_class_of(*f, *classes)) family = f;
    }
    if (family == nullptr) {
      fields.problem("architectures", fmt::format("{} is not supported yet ({})", shown_json(*classes),
                                                  supported([](const Family& f) { return f.model_class; })));
    }
  } else {
    fields.problem("model_type", "is missing");
  }
  if (family != nullptr && classes != nullptr && !is_class_of(*family, *classes)) {
    fields.problem("architectures", fmt::format("{} is not supported yet (of model_type {}, supported: {})",
                                                shown_json(*classes), family->model_type, family->model_class));
  }
  return family;
}

void check_experts(HfFields& fields, const ModelConfig& c) {
  constexpr std::int64_t kMaxExperts = 4096;  // many more than any model has; they are listed one by one
  if (c.num_experts > kMaxExperts) {
    fields.problem("num_experts", fmt::format("{} experts are more than {}", c.num_experts, kMaxExperts));
  }
  if (c.num_experts_per_token > c.num_experts) {
    fields.problem("num_experts_per_tok",
                   fmt::format("{} are chosen of {} experts", c.num_experts_per_token, c.num_experts));
  }
}

}  // namespace

Described read_hf_config(const std::filesystem::path& config_json) {
  const json config = read_json(config_json);
  if (!config.is_object()) throw DataError(fmt::format("{}: expected a JSON object", config_json.string()));
  Problems problems;
  HfFields fields(config_json.string(), config, problems);
  Described result;
  result.family = find_family_of(fields);
  problems.throw_if_any<DataError>();  // the other fields of another architecture mean other things
  result.config.architecture = result.family->model_type;
  result.family->read(fields, result.config);
  check_experts(fields, result.config);
  if (const json* quantization = fields.find("quantization_config")) {
    const auto method = quantization->is_object() ? quantization->find("quant_method") : quantization->end();
    fields.unsupported(
        "quantization_config",
        fmt::format("quantisation {}",
                    quantization->is_object() && method != quantization->end() ? shown_json(*method) : "of this kind"));
  }
  problems.throw_if_any<DataError>();
  return result;
}

Described read_gguf_config(const GgufFile& gguf, std::span<const GgufFile> rest) {
  Problems problems;
  const auto architecture = gguf.get_string("general.architecture");
  GgufFields fields(gguf, rest, std::string(architecture), problems);
  Described result;
  result.family = find_gguf_family(architecture);
  if (result.family == nullptr) {
    fields.problem("general.architecture",
                   fmt::format("{} is not supported yet ({})", shown(architecture), supported([](const Family& f) {
                                 return f.gguf != nullptr ? f.gguf->architecture : std::string_view();
                               })));
    problems.throw_if_any<DataError>();
  }
  result.config.architecture = result.family->model_type;
  result.family->gguf->read(fields, result.config);
  problems.throw_if_any<DataError>();
  return result;
}

}  // namespace catenary::weights
