#!/usr/bin/env python3
"""Writes references.h: expected numbers of tests/analysis, from SciPy, NumPy and statsmodels instead of our own code.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
    venv/bin/python make_references.py > references.h
"""
import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import stats

SCALE = np.array([7.0e7, 1.6e8, 4.1e8, 1.0e9, 2.8e9, 6.9e9, 1.2e10])
VALUE = np.array([0.412, 0.371, 0.334, 0.345, 0.360, 0.421, 0.452])
ERROR = np.array([0.022, 0.021, 0.020, 0.009, 0.021, 0.015, 0.022])


def array(name, values):
    numbers = ", ".join(f"{v:.17g}" for v in np.ravel(values))
    print(f"inline constexpr double {name}[] = {{{numbers}}};")


print("#pragma once\n")
print(f"// Made by make_references.py: NumPy {np.__version__}, SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}.\n")
print("namespace catenary::analysis::reference {\n")
print("// clang-format off")
array("kScale", SCALE)
array("kValue", VALUE)
array("kError", ERROR)
u = np.log10(SCALE) - np.log10(SCALE).mean()
grid = np.log10(np.array([7.0e7, 2.0e9, 1.0e11])) - np.log10(SCALE).mean()
for name, degree in (("Constant", 0), ("Line", 1), ("Parabola", 2)):
    fit = sm.WLS(VALUE, np.vander(u, degree + 1, increasing=True), weights=1 / ERROR**2).fit(cov_type="fixed scale")
    array(f"k{name}Coefficients", fit.params)
    array(f"k{name}Covariance", fit.cov_params())
    array(f"k{name}ChiSquare", [np.sum((fit.resid / ERROR) ** 2)])
    predicted = np.vander(grid, degree + 1, increasing=True)
    array(f"k{name}Predicted", predicted @ fit.params)
    array(f"k{name}PredictedError", np.sqrt(np.einsum("ij,jk,ik->i", predicted, fit.cov_params(), predicted)))
array("kPredictedScale", [7.0e7, 2.0e9, 1.0e11])

print("\nstruct Quantile {\n  double probability;\n  double degrees_of_freedom;\n  double t;\n};")
print("inline constexpr Quantile kQuantiles[] = {")
for p in (0.6, 0.95, 0.975, 0.9995):
    for dof in (1, 2, 2.5, 3, 7.3, 40, 1e4):
        print(f"    {{{p:.17g}, {dof:.17g}, {stats.t.ppf(p, dof):.17g}}},")
print("};")
array("kNormal975", [stats.norm.ppf(0.975)])
print("// clang-format on\n")
print("}  // namespace catenary::analysis::reference")
