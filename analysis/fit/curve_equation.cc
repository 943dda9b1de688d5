#include "analysis/fit/curve_equation.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace catenary::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const double kLn10 = std::log(10.0);

using Parameters = std::vector<double>;

/// y ≈ a + b g: least squares over the sample, and the same with less slope, for curves that must stay within (0, 1).
template <class Basis>
std::vector<std::array<double, 2>> linear_starts(const Sample& sample, const Basis& g) {
  const double n = static_cast<double>(sample.u.size());
  double mean_g = 0, mean_y = 0, gg = 0, gy = 0;
  for (std::size_t i = 0; i < sample.u.size(); ++i) {
    mean_g += g(sample.u[i]) / n;
    mean_y += sample.y[i] / n;
  }
  for (std::size_t i = 0; i < sample.u.size(); ++i) {
    gg += (g(sample.u[i]) - mean_g) * (g(sample.u[i]) - mean_g);
    gy += (g(sample.u[i]) - mean_g) * (sample.y[i] - mean_y);
  }
  const double b = gg > 0 ? gy / gg : 0;
  if (!std::isfinite(b)) return {};
  return {{mean_y - b * mean_g, b}, {mean_y - 0.3 * b * mean_g, 0.3 * b}};
}

double constant(const double* p, double, const ValueModel&, double* gradient) {
  if (gradient != nullptr) gradient[0] = 1;
  return p[0];
}

std::vector<Parameters> constant_starts(const Sample& sample, const ValueModel&) {
  return {{std::accumulate(sample.y.begin(), sample.y.end(), 0.0) / static_cast<double>(sample.y.size())}};
}

double line(const double* p, double u, const ValueModel&, double* gradient) {
  if (gradient != nullptr) {
    gradient[0] = 1;
    gradient[1] = u;
  }
  return p[0] + p[1] * u;
}

std::vector<Parameters> line_starts(const Sample& sample, const ValueModel&) {
  std::vector<Parameters> starts;
  for (const auto& [a, b] : linear_starts(sample, [](double u) { return u; })) starts.push_back({a, b});
  return starts;
}

double quadratic(const double* p, double u, const ValueModel&, double* gradient) {
  if (gradient != nullptr) {
    gradient[0] = 1;
    gradient[1] = u;
    gradient[2] = u * u;
  }
  return p[0] + u * (p[1] + u * p[2]);
}

std::vector<Parameters> quadratic_starts(const Sample& sample, const ValueModel&) {
  std::vector<Parameters> starts;
  for (const auto& [a, c] : linear_starts(sample, [](double u) { return u * u; })) starts.push_back({a, 0, c});
  for (const auto& [a, b] : linear_starts(sample, [](double u) { return u; })) starts.push_back({a, b, 0});
  return starts;
}

double power_law(const double* p, double u, const ValueModel&, double* gradient) {
  const double power = std::exp(-kLn10 * u * p[2]);
  if (gradient != nullptr) {
    gradient[0] = 1;
    gradient[1] = power;
    gradient[2] = -kLn10 * u * p[1] * power;
  }
  return p[2] > 0 ? p[0] + p[1] * power : kNan;
}

std::vector<Parameters> power_law_starts(const Sample& sample, const ValueModel&) {
  std::vector<Parameters> starts;
  for (const double c : {0.1, 0.5, 1.5})
    for (const auto& [a, b] : linear_starts(sample, [c](double u) { return std::pow(10.0, -c * u); }))
      starts.push_back({a, b, c});
  return starts;
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

double known_logistic(const double* p, double u, const ValueModel& model, double* gradient) {
  const double s = logistic(p[0] + p[1] * u), height = model.ceiling - model.floor;
  if (gradient != nullptr) {
    gradient[0] = height * s * (1 - s);
    gradient[1] = gradient[0] * u;
  }
  return model.floor + height * s;
}

std::vector<Parameters> known_logistic_starts(const Sample& sample, const ValueModel& model) {
  Sample logits = sample;
  for (double& y : logits.y) {
    const double inside = std::clamp((y - model.floor) / (model.ceiling - model.floor), 0.02, 0.98);
    y = std::log(inside / (1 - inside));
  }
  return line_starts(logits, model);
}

double free_logistic(const double* p, double u, const ValueModel&, double* gradient) {
  const double s = logistic(p[0] + p[1] * u), height = p[3] - p[2];
  if (gradient != nullptr) {
    gradient[0] = height * s * (1 - s);
    gradient[1] = gradient[0] * u;
    gradient[2] = 1 - s;
    gradient[3] = s;
  }
  return p[2] + height * s;
}

std::vector<Parameters> free_logistic_starts(const Sample& sample, const ValueModel&) {
  std::vector<Parameters> starts;
  for (const double k : {1.0, 4.0})
    for (const std::size_t quarter : {1, 2, 3}) {
      const double h = -k * sample.u[quarter * (sample.u.size() - 1) / 4];
      for (const auto& [a, b] : linear_starts(sample, [&](double u) { return logistic(h + k * u); }))
        starts.push_back({h, k, a, a + b});
    }
  return starts;
}

/// The broken power law's factor, 10^(-c0 u) times that of each break; p = c0, then c, d, ln f of each break.
/// `gradient`: of its logarithm.
template <int num_breaks>
double broken_factor(const double* p, double u, double* gradient) {
  double exponent = -p[0] * (kLn10 * u);
  if (gradient != nullptr) gradient[0] = -kLn10 * u;
  for (int i = 0; i < num_breaks; ++i) {
    const double c = p[1 + 3 * i], d = p[2 + 3 * i], f = std::exp(p[3 + 3 * i]);
    // ln(1 + e^x) without overflow, and its derivative.
    const double x = kLn10 * (u - d) / f, small = std::exp(-std::abs(x));
    const double softplus = std::max(x, 0.0) + std::log1p(small), share = (x > 0 ? 1 : small) / (1 + small);
    exponent -= c * f * softplus;
    if (gradient == nullptr) continue;
    gradient[1 + 3 * i] = -f * softplus;
    gradient[2 + 3 * i] = c * kLn10 * share;
    gradient[3 + 3 * i] = -c * f * (softplus - x * share);
  }
  return std::exp(exponent);
}

template <int num_breaks>
double broken(const double* p, double u, const ValueModel&, double* gradient) {
  const double factor = broken_factor<num_breaks>(p + 2, u, gradient == nullptr ? nullptr : gradient + 2);
  if (gradient != nullptr) {
    gradient[0] = 1;
    gradient[1] = factor;
    for (int j = 2; j < 3 + 3 * num_breaks; ++j) gradient[j] *= p[1] * factor;
  }
  return p[0] + p[1] * factor;
}

template <int num_breaks>
std::vector<Parameters> broken_starts(const Sample& sample, const ValueModel&) {
  std::vector<Parameters> starts;
  const auto add = [&](const Parameters& shape) {
    for (const auto& [a, b] :
         linear_starts(sample, [&](double u) { return broken_factor<num_breaks>(shape.data(), u, nullptr); })) {
      starts.push_back({a, b});
      starts.back().insert(starts.back().end(), shape.begin(), shape.end());
    }
  };
  const auto u_at = [&](double share) { return sample.u.front() + share * (sample.u.back() - sample.u.front()); };
  const double ln_f = std::log(0.3);
  for (const double c1 : {-0.6, 0.6}) {
    if constexpr (num_breaks == 1) {
      for (const double c0 : {-0.3, 0.1, 0.4})
        for (const double share : {0.25, 0.5, 0.75}) add({c0, c1, u_at(share), ln_f});
    } else {
      for (const double c0 : {-0.3, 0.3})
        for (const double c2 : {-0.6, 0.6}) add({c0, c1, u_at(0.3), ln_f, c2, u_at(0.7), ln_f});
    }
  }
  return starts;
}

}  // namespace

const Equation& equation_of(Curve curve, const ValueModel& model) {
  // In the order of Curve.
  static constexpr Equation kEquations[] = {{1, constant, constant_starts},           {2, line, line_starts},
                                            {3, quadratic, quadratic_starts},         {3, power_law, power_law_starts},
                                            {4, free_logistic, free_logistic_starts}, {6, broken<1>, broken_starts<1>},
                                            {9, broken<2>, broken_starts<2>}};
  static constexpr Equation kKnownLogistic{2, known_logistic, known_logistic_starts};
  if (curve == Curve::kLogistic && model.is_proportion) return kKnownLogistic;
  return kEquations[static_cast<std::size_t>(curve)];
}

}  // namespace catenary::analysis
