"""`catenary report`: the page as a browser shows it. Writes screenshots to CATENARY_SCREENSHOTS."""

import collections
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import browser
from study import BIN, plain_items, run, write_study

try:
    import h5py
except ModuleNotFoundError:
    h5py = None

SCREENSHOTS = pathlib.Path(os.environ["CATENARY_SCREENSHOTS"])
DEMO = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "demo.json"
MODELS = [model["name"] for model in json.loads(DEMO.read_text())["models"]]  # by size
PHONE = {"width": 390, "height": 844, "mobile": True}

# Of every chart its series of points: their heights, and how many have a place on the canvas.
CHARTS = """[...document.querySelectorAll('main:not([hidden]) canvas')].map((canvas) => {
  const chart = Chart.getChart(canvas);
  return !chart ? [] : chart.data.datasets.flatMap((dataset, i) => dataset.role !== 'points' ? [] : [{
    task: data.tasks[dataset.curve.task], condition: data.conditions[dataset.curve.condition], family: data.families[dataset.curve.family],
    y: dataset.data.map((point) => point.y),
    placed: chart.getDatasetMeta(i).data.filter((point) => point.x >= 0 && point.x <= canvas.clientWidth && point.y >= 0 && point.y <= canvas.clientHeight).length,
  }]);
})"""


@unittest.skipUnless(browser.CHROMIUM, "there is no chromium here (Debian: apt-get install chromium)")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def setUp(self):
        self.browser.errors.clear()
        self.browser.requests.clear()

    def tearDown(self):
        self.assertEqual(self.browser.errors, [])
        self.assertEqual([url for url in self.browser.requests if url != "about:blank" and not url.startswith("file://")], [])

    def report(self, store, *args):
        page = store.with_suffix(".html")
        run(BIN / "catenary", "report", store, "-o", page, *args)
        return page

    def texts(self, selector):
        return self.browser.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.textContent)")

    def click_point(self, condition, index):
        """Clicks where the point of a condition lies on the task's chart."""
        x, y = self.browser.run("""(() => {
          const canvas = document.querySelector('#task .plot.large canvas'), chart = Chart.getChart(canvas);
          const set = chart.data.datasets.findIndex((one) => one.role === 'points' && data.conditions[one.curve.condition] === %s);
          const point = chart.getDatasetMeta(set).data[%d], box = canvas.getBoundingClientRect();
          return [box.left + point.x, box.top + point.y];
        })()""" % (json.dumps(condition), index))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.browser.settle()


class Demo(PageTest):
    """The demo's store: seven models, four tasks, two conditions."""

    @classmethod
    def setUpClass(cls):
        if not (BIN / "catenary-run").exists():
            raise unittest.SkipTest("catenary-run is not built, so there is no demo store")
        if h5py is None:
            raise unittest.SkipTest("this python3 has no h5py to compare with")
        super().setUpClass()
        cls.store = cls.folder / "demo.h5"
        run(BIN / "catenary", "run", DEMO, "-o", cls.store, "--threads", "1")
        cls.page = cls.folder / "demo.html"
        run(BIN / "catenary", "report", cls.store, "-o", cls.page)
        with h5py.File(cls.store) as file:
            read = lambda name: file[name].asstr()[:] if file[name].dtype.kind == "S" else file[name][:]
            # Marks by task, condition and item: a letter a model, in the order of the spec, which is that of their sizes.
            cls.marks = collections.defaultdict(lambda: collections.defaultdict(str))
            cls.values = {}
            columns = ("model_index", "task_index", "condition_index", "class_begin")
            for model, task, condition, begin in zip(*(read(f"units/{name}") for name in columns)):
                names = read("tasks/name")[task], read("conditions/name")[condition]
                scores = file["scores/log_likelihood"][begin:begin + 2 * 300].reshape(300, 2)
                answers = read("task_items/answer_index")[task * 300:(task + 1) * 300]
                for item in range(300):
                    cls.marks[names][item] += "r" if scores[item].argmax() == answers[item] else "w"
                cls.values[(*names, read("models/name")[model])] = scores

    def test_every_chart_has_its_points(self):
        fits = {}
        for scale in ("parameters", "flops"):
            out = run(BIN / "catenary", "fit", self.store, "--scale", scale, "--metric", "accuracy,loss,log_odds", "--json")
            for curve in json.loads(out)["curves"]:
                fits[curve["scale"], curve["metric"], curve["task"], curve["condition"]] = curve
        tasks = ["memory-trap", "recall", "negation", "category"]
        for scale in ("parameters", "training_flops"):
            for metric in ("accuracy", "loss", "log_odds"):
                for task in ("", *tasks):
                    self.browser.open(self.page, f"#task={task}&metric={metric}&scale={scale}", height=2000)
                    shown = [points for chart in self.browser.run(CHARTS) for points in chart]
                    self.assertEqual(len(shown), 2 if task else 8)
                    for points in shown:
                        curve = fits[scale, metric, points["task"], points["condition"]]
                        self.assertEqual(points["placed"], len(MODELS))
                        for y, expected in zip(points["y"], curve["points"], strict=True):
                            self.assertAlmostEqual(y, expected["value"], delta=1e-3 * max(1, abs(y)))
        self.browser.open(self.page)
        verdicts = self.texts("#overview .cell .verdict")
        word = {"u_shaped": "U-shaped", "inverted_u": "inverted U"}
        expected = [fits["parameters", "accuracy", task, condition]["verdict"] for task in tasks for condition in ("zero_shot", "few_shot_3")]
        self.assertEqual(verdicts, [word.get(verdict, verdict) for verdict in expected])

    def test_a_click_on_a_point_leads_to_its_items(self):
        self.browser.open(self.page, "#task=memory-trap")
        self.click_point("zero_shot", 3)
        self.assertIn(f"model={MODELS[3]}", self.browser.run("location.hash"))
        strips = self.browser.run("""[...document.querySelectorAll('.item .strip')].map((strip) =>
            [...strip.children].map((mark) => mark.classList[1] + (mark.classList.contains('chosen') ? '!' : '')).join(''))""")
        expected = [self.marks["memory-trap", "zero_shot"][item] for item in range(30)]
        self.assertEqual(strips, [marks[:4] + "!" + marks[4:] for marks in expected])

    def test_filters_and_search_find_what_the_store_says(self):
        marks = self.marks["memory-trap", "zero_shot"].values()
        lost = sum(mark[0] == "r" and mark[-1] == "w" for mark in marks)
        always = sum(set(mark) == {"w"} for mark in marks)
        self.assertGreater(lost, 100)
        self.browser.open(self.page, "#task=memory-trap")
        for choice, count in (("lost", lost), ("wrong", always), ("all", 300)):
            self.browser.run(f"""(() => {{ const list = document.querySelector('select[aria-label="along the ladder"]');
                list.value = '{choice}'; list.dispatchEvent(new Event('change')); }})()""")
            self.assertEqual(self.texts("#items > p[aria-live]")[0], f"{count} of 300 items")
            self.assertEqual(len(self.texts(".item")), min(30, count))
        lines = (DEMO.parent / "demo/tasks/memory-trap.jsonl").read_text().splitlines()
        count = sum("wool" in line for line in lines)
        self.browser.run("""(() => { const field = document.querySelector('#items input[type=search]');
            field.value = 'Wool'; field.dispatchEvent(new Event('input')); })()""")
        self.assertEqual(self.texts("#items > p[aria-live]")[0], f"{count} of 300 items")

    def test_an_item_shows_its_prompt_and_what_every_model_says(self):
        self.browser.open(self.page, "#task=negation&condition=few_shot_3", height=1700)
        self.browser.run("document.querySelectorAll('.item summary')[7].click()")
        self.browser.settle()
        item = json.loads((DEMO.parent / "demo/tasks/negation.jsonl").read_text().splitlines()[7])
        self.assertEqual(self.texts(".item .text"), [item["prompt"]])
        rows = self.browser.run("""[...document.querySelectorAll('.item tbody tr')].map((row) =>
            [...row.cells].map((cell) => cell.textContent))""")
        self.assertEqual(len(rows), len(MODELS))
        for name, *numbers in rows:
            values = self.values["negation", "few_shot_3", name[2:]][7]
            for text, value in zip(numbers, values, strict=True):
                self.assertAlmostEqual(float(text.replace("−", "-")), value, delta=0.051 if abs(value) >= 10 else 0.0055)
        self.browser.screenshot(SCREENSHOTS / "item.png")

    def test_flips_between_neighbours_are_counted_over_all_items(self):
        self.browser.open(self.page, "#task=memory-trap&condition=zero_shot", height=1700)
        bars = self.browser.run("Chart.getChart(document.querySelector('.flips canvas')).data.datasets.map((set) => set.data)")
        marks = self.marks["memory-trap", "zero_shot"].values()
        for i in range(len(MODELS) - 1):
            self.assertEqual(bars[0][i], sum(mark[i:i + 2] == "wr" for mark in marks))
            self.assertEqual(-bars[1][i], sum(mark[i:i + 2] == "rw" for mark in marks))

    def test_the_keyboard_reaches_every_point(self):
        self.browser.open(self.page, "#task=recall")
        self.browser.run("document.querySelector('#task canvas').focus()")
        for _ in range(2):
            self.browser.press("ArrowRight")
        self.assertIn(MODELS[1], self.texts("#reading")[0])
        self.browser.press("Enter")
        self.browser.settle()
        self.assertIn(f"model={MODELS[1]}", self.browser.run("location.hash"))

    def test_links_lead_to_tasks_and_back(self):
        self.browser.open(self.page)
        self.browser.run("document.querySelectorAll('#overview .cell')[1].click()")
        self.browser.settle()
        self.assertEqual(self.texts("h1")[-1], "memory-trap")
        self.assertTrue(self.browser.run("document.getElementById('overview').hidden"))
        self.browser.run("document.querySelector('#task a').click()")
        self.browser.settle()
        self.assertFalse(self.browser.run("document.getElementById('overview').hidden"))

    def test_it_fits_desktop_phone_dark_and_paper(self):
        for name, fragment, view in (
                ("overview-desktop", "", {}), ("overview-phone", "", PHONE), ("task-desktop", "#task=negation", {}),
                ("task-phone", "#task=negation", PHONE), ("task-dark", "#task=memory-trap", {"dark": True})):
            self.browser.open(self.page, fragment, **view)
            self.browser.screenshot(SCREENSHOTS / f"{name}.png")
            self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), self.browser.run("innerWidth"), name)
        self.assertEqual(self.browser.run("getComputedStyle(document.body).backgroundColor"), "rgb(20, 23, 27)")
        self.browser.call("Page.printToPDF")


# What would run if it were not shown as text, and what of it is shown by signs.
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\"'`&lt;<!-- {{program}} \u2028\u0007\x1b[31m\u202e ]]>"
SHOWN = EVIL.replace("\u2028", "\ufffd").replace("\u0007", "\u2407").replace("\x1b", "\u241b").replace("\u202e", "\ufffd")


class Texts(PageTest):
    def assert_nothing_ran(self):
        self.assertIsNone(self.browser.run("window.hacked ?? null"))
        self.assertEqual(self.browser.run("document.querySelectorAll('img, main script, main b').length"), 0)

    def open_first_item(self):
        self.browser.run("document.querySelector('.item summary').click()")
        self.browser.settle()

    def test_what_looks_like_a_program_shows_as_text(self):
        items = [{"prompt": f"{i} {EVIL}", "classes": [" " + EVIL, " <b>bold</b>"], "answer_index": 0} for i in range(20)]
        name = "<img src=x onerror=window.hacked=3> & \"'"
        store = write_study(self.folder, items, tasks=[name], conditions=["<script>window.hacked=4"])
        self.browser.open(self.report(store), height=2000)
        self.assertEqual(self.texts("#overview .name"), [name])
        self.browser.run("document.querySelector('#overview .name').click()")
        self.browser.settle()
        self.assertEqual(self.texts("#task h1"), [name])
        self.open_first_item()
        self.assertEqual(self.texts(".item .text"), ["0 " + SHOWN])
        self.assertEqual(self.texts(".item .class")[0], " " + SHOWN)
        self.assert_nothing_ran()

    def test_an_item_shows_what_the_models_wrote(self):
        items = [{"prompt": f"{i} {EVIL}", "classes": [" a", " b"], "answer_index": 0} for i in range(20)]
        store = write_study(self.folder, items, conditions=["plain", {"name": "reasons", "kind": "cot"}])
        self.browser.open(self.report(store), "#task=negation&condition=reasons", height=2000)
        self.open_first_item()
        self.assertEqual(self.texts(".item .text.written"), ["Let me see. 0 " + SHOWN] * 5)
        self.assertEqual(self.texts(".item .text:not(.written)"), ["0 " + SHOWN])
        self.assert_nothing_ran()
        self.browser.screenshot(SCREENSHOTS / "reasoning.png")
        self.browser.open(self.report(store), "#task=negation&condition=plain", height=2000)
        self.open_first_item()
        self.assertEqual(self.texts(".item .text.written"), [])

    def test_an_item_shows_the_numbers_that_the_models_stated(self):
        items = [{"prompt": f"What is {i} and {i}?", "true_answer": 2 * i, "anchor": 7} for i in range(20)]
        store = write_study(self.folder, items, conditions=[{"name": "zero_shot", "kind": "zero_shot"}, {"name": "reasons", "kind": "cot"}])
        page = self.report(store)
        for condition, written in (("zero_shot", []), ("reasons", ["Let me see. What is 0 and 0?"])):
            self.browser.open(page, f"#task=negation&condition={condition}", height=2000)
            self.open_first_item()
            self.assertEqual(self.texts(".item .text.written"), [text for number in "11000" for text in (*written, number)])
            self.assertEqual(self.texts(".item .strip")[0], "✗✗✓✓✓")
            self.assertIn("true answer 0, anchor 7", self.texts(".item .soft.small"))
            self.assertEqual(self.browser.run("document.querySelectorAll('.item table').length"), 0)

    def test_a_task_file_that_changed_is_not_shown(self):
        store = write_study(self.folder, plain_items(20))
        (store.parent / "items.jsonl").write_text(json.dumps(dict(plain_items(1)[0], prompt="other")) + "\n")
        self.browser.open(self.report(store), "#task=negation", height=2000)
        self.assertIn("is not what was scored", " ".join(self.texts("#items > p")))
        self.assertNotIn("other", " ".join(self.texts(".item")))
        (store.parent / "items.jsonl").unlink()
        self.browser.open(self.report(store), "#task=negation", height=2000)
        self.assertIn("items.jsonl", " ".join(self.texts("#items > p")))
        self.assertEqual(len(self.texts(".item")), 20)

    def test_families_are_series_of_their_own(self):
        store = write_study(self.folder, plain_items(100), tasks=("one", "two"), conditions=("base", "instruct"), families=("a", "b"))
        self.browser.open(self.report(store), "#task=one", height=2000)
        (points,) = self.browser.run(CHARTS)[:1]
        self.assertEqual({(one["condition"], one["family"]) for one in points},
                         {(condition, family) for condition in ("base", "instruct") for family in ("a", "b", "pooled")})
        self.browser.screenshot(SCREENSHOTS / "families.png")
        self.browser.run("[...document.querySelectorAll('#task .toggle')].find((button) => button.textContent.endsWith('base · a')).click()")
        self.browser.settle()
        self.assertNotIn(("base", "a"), {(one["condition"], one["family"]) for one in self.browser.run(CHARTS)[0]})

    def test_a_large_task_gives_a_sample_and_says_so(self):
        store = write_study(self.folder, plain_items(20000), tasks=("a", "b"))
        page = self.report(store)
        self.assertLess(page.stat().st_size, 10e6)
        self.browser.open(page, "#task=b")
        text = self.texts("#items > p[aria-live]")[0]
        self.assertRegex(text, r"^\d+ of \d+ items, which are an even sample of all 20000$")

    def test_a_table_without_items_has_curves(self):
        table = self.folder / "table.csv"
        table.write_text("task,model,num_parameters,metric,value,standard_error,n\n" + "".join(
            f"t,m{i},{10 ** (7 + i)},accuracy,{0.2 + 0.1 * i},0.01,1000\n" for i in range(6)))
        self.browser.open(self.report(table), "#task=t")
        self.assertEqual(self.browser.run(CHARTS)[0][0]["y"], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])

    def test_numbers_have_the_decimals_of_their_errors(self):
        table = self.folder / "table.csv"
        table.write_text("task,model,num_parameters,metric,value,standard_error,n\n" + "".join(
            f"t,m{i},{10 ** (7 + i)},loss,{0.6931 - 0.001 * i},0.0004,1000\n" for i in range(6)))
        page = self.report(table)
        self.browser.open(page)
        self.assertIn("0.6931 → 0.6881", self.browser.run("document.body.innerText"))
        self.browser.open(page, "#task=t")
        self.assertIn("−0.0050 (", self.browser.run("document.body.innerText"))


class Comparison(PageTest):
    def test_it_shows_what_compare_says_regressions_first(self):
        for name, drop in (("old", 0), ("new", 30)):
            rows = [f"{task},m{m},{10 ** (7 + m)},{i},{int(i * 37 % 100 < 60 + 5 * m - (drop if task == '<b>trap' and m == 2 else 0))}"
                    for task in ("<b>trap", "recall") for m in range(3) for i in range(100)]
            if name == "new":
                rows = [row for row in rows if not row.startswith("recall,m0")]
                flipped = {f"recall,m1,{10 ** 8},0,1": f"recall,m1,{10 ** 8},0,0", f"recall,m1,{10 ** 8},2,0": f"recall,m1,{10 ** 8},2,1"}
                rows = [flipped.get(row, row) for row in rows]
            (self.folder / f"{name}.csv").write_text("task,model,num_parameters,item,correct\n" + "\n".join(rows) + "\n")
        page = self.folder / "compare.html"
        result = subprocess.run([BIN / "catenary", "compare", self.folder / "old.csv", self.folder / "new.csv", "-o", page, "--json"],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 3)
        changes = json.loads(result.stdout)["changes"]
        self.browser.open(page)
        self.browser.screenshot(SCREENSHOTS / "compare.png")
        self.assertEqual(self.texts("h1"), ["1 regression, 1 lost"])
        rows = self.browser.run("[...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))")
        self.assertEqual([row[:2] for row in rows[:2]], [["lost", "recall"], ["regression", "<b>trap"]])
        self.assertEqual(rows[1][5:8] + [rows[1][9]], ["100", "0.7000", "0.4000", "0 / 30"])
        self.assertEqual(rows[2][:4] + [rows[2][8][:6], rows[2][9]], ["changed", "recall", "all", "m1", "0.0000", "1 / 1"])
        self.assertEqual(len(rows), len(changes) + 1)
        points = self.browser.run("""Chart.getChart(document.querySelector('canvas')).data.datasets
            .filter((set) => set.role === 'points').flatMap((set) => set.data.map((point) => [point.x, point.y]))""")
        self.assertEqual(sorted(points), sorted([round(change["before"], 4), round(change["after"], 4)] for change in changes))
        self.browser.run("document.querySelector('.controls button').click()")
        self.assertEqual(self.texts("tbody tr td:first-child"), ["regression"])
        self.browser.open(page, **PHONE)
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 390)


if __name__ == "__main__":
    unittest.main()
