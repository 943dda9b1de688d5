"""Checks every #include of the components against who may include whom (docs/architecture.md).

Usage: include_rules_test.py SOURCE_DIR
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop() if len(sys.argv) > 1 else ".").resolve()

MAY_INCLUDE = {
    "base": set(),
    "spec": {"base"},
    "weights": {"base"},
    "tokenizer": {"base", "weights"},
    "task": {"base", "spec"},
    "parallel": {"base"},
    "scheduler": {"base", "spec", "parallel"},
    "store": {"base", "spec", "parallel"},
    "model": {"base", "spec", "weights", "parallel"},
    "engine": {"base", "spec", "task", "tokenizer", "parallel", "model"},
    "analysis": {"base", "spec", "task", "store"},
    "report": {"base", "spec", "task", "store", "analysis"},
    "cli": {"base", "spec", "weights", "tokenizer", "task", "parallel", "scheduler", "store", "model", "engine", "analysis", "report"},
}

# Outside headers that only some components may see, and whether their headers may too.
OUTSIDE = {
    r"nlohmann/": {"base", "spec", "weights", "tokenizer", "task", "analysis", "report", "cli"},
    r"mpi\.h": {"parallel", "store"},
    r"nccl\.h": {"parallel"},
    r"hdf5\.h|H5": {"store"},
    r"ATen/|c10/|torch/": {"model", "engine", "cli"},
    r"Eigen/|ceres/|libfccp/": {"analysis"},
    r"CLI/": {"cli"},
    r"spdlog/": {"base"},
}
IN_PUBLIC_HEADERS = {r"nlohmann/": {"base"}, r"ATen/|c10/|torch/": {"model", "engine"}}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def files():
    for top, component_of in (("include/catenary", lambda p: p.parts[0]), ("src", lambda p: p.parts[0]),
                              ("analysis", lambda p: "analysis")):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cc", ".cu"):
                yield path, component_of(path.relative_to(ROOT / top))


class IncludeRules(unittest.TestCase):
    def test_components_include_only_what_the_table_allows(self):
        wrong = []
        count = 0
        for path, component in files():
            for quote, name in INCLUDE.findall(path.read_text()):
                count += 1
                parts = name.split("/")
                if quote == '"':
                    public = parts[0] == "catenary"
                    other = parts[1] if public else parts[0]
                    allowed = other == component or (public and other in MAY_INCLUDE[component])
                    if component == "analysis" and not public:
                        allowed = parts[0] == "analysis"
                    if not allowed:
                        wrong.append(f"{path.relative_to(ROOT)} includes {name}")
                    if path.match("analysis/fit/*") and public and other not in ("base", "analysis"):
                        wrong.append(f"{path.relative_to(ROOT)} includes {name}, and fit/ may include base alone")
                for pattern, components in OUTSIDE.items():
                    if quote == "<" and re.match(pattern, name):
                        public_header = path.is_relative_to(ROOT / "include")
                        if component not in (IN_PUBLIC_HEADERS.get(pattern, set()) if public_header else components):
                            wrong.append(f"{path.relative_to(ROOT)} includes <{name}>")
        self.assertGreater(count, 100)
        self.assertEqual(wrong, [])

    def test_the_table_has_no_cycle(self):
        order = []
        left = dict(MAY_INCLUDE)
        while left:
            ready = [c for c, others in left.items() if others <= set(order)]
            self.assertTrue(ready, f"a cycle among {sorted(left)}")
            for component in ready:
                order.append(component)
                del left[component]


if __name__ == "__main__":
    unittest.main()
