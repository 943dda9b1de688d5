"""The programs as a user runs them: on the demo ladder, alone and under mpirun, undisturbed, killed, and on bad input."""

import json
import os
import shutil
import signal
import struct
import subprocess
import unittest

from harness import BIN, CATENARY, DEMO, MODELS, MPIEXEC, Result, SweepTestCase, run, smallest_models, start


CONTEXT = json.loads((DEMO / "models" / MODELS[0] / "config.json").read_text())["max_position_embeddings"]


class CommandsTest(SweepTestCase):
    # ---- sweeps ----------------------------------------------------------------------------------------------------

    def test_any_number_of_ranks_stores_the_same_bits(self):
        spec = self.spec()
        for ranks in (None, 1, 2, 4):
            self.check(run("run", spec, "-o", self.folder / f"{ranks}.h5", "--threads", 1, ranks=ranks), 0, "done; next")
            self.assert_same_scores(self.folder / "None.h5", self.folder / f"{ranks}.h5")
        status = json.loads(run("status", self.folder / "4.h5", "--json").out)
        self.assertEqual(status["done"], {"num_units": 8, "num_items": 2400})
        self.assertEqual(status["pending"], {"num_units": 0, "num_items": 0})

    def test_plan_knows_how_many_tokens_a_sweep_feeds(self):
        """On one rank, prefixes and kept few-shot headers included: what was fed is in the store."""
        spec = self.spec(conditions=[
            {"name": "zero_shot", "kind": "zero_shot"}, {"name": "fixed", "kind": "few_shot", "k": 5, "separator": "\n"},
            {"name": "per_item", "kind": "few_shot", "k": 2, "exemplars": "per_item", "separator": "\n"}])
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1), 0)
        planned = sum(unit["num_tokens_fed"] for unit in json.loads(run("plan", spec, "--json").out)["units"])
        self.assertEqual(planned, json.loads(run("status", store, "--json").out)["num_tokens_fed"])

    def test_a_finished_sweep_has_nothing_left_to_do(self):
        spec = self.spec()
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1), 0)
        before = store.read_bytes()
        self.check(run("run", spec, "-o", store, "--threads", 1), 0, "0 of 40 item ranges to do")
        self.assertEqual(store.read_bytes(), before)

    def test_killed_sweeps_go_on_and_end_with_the_same_bits(self):
        spec = self.long_spec()
        undisturbed = self.folder / "undisturbed.h5"
        self.check(run("run", spec, "-o", undisturbed, "--threads", 1, ranks=2), 0)
        store = self.folder / "killed.h5"
        for minimum in (1, 3000):
            process = start("run", spec, "-o", store, "--threads", 1, ranks=2, start_new_session=True)
            self.wait_until_some_are_done(store, minimum)
            os.killpg(process.pid, signal.SIGKILL)
            subprocess.run(["pkill", "-KILL", "-f", str(store)], check=False)
            process.communicate()
            self.assertGreater(json.loads(run("status", store, "--json").out)["pending"]["num_items"], 0)
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 0, "going on with")
        self.assert_same_scores(undisturbed, store)

    def test_a_signal_stops_early_and_the_same_command_goes_on(self):
        spec = self.long_spec()
        for ranks, number in ((None, signal.SIGTERM), (2, signal.SIGUSR1)):
            store = self.folder / f"{ranks}.h5"
            process = start("run", spec, "-o", store, "--threads", 1, ranks=ranks)
            self.wait_until_some_are_done(store)
            process.send_signal(number)
            self.check(Result(process), 75, "run the same command again")
            status = json.loads(run("status", store, "--json").out)
            self.assertGreater(status["done"]["num_items"], 0)
            self.assertGreater(status["pending"]["num_items"], 0)
            self.check(run("run", spec, "-o", store, "--threads", 1), 0, "going on with")

    def test_a_failed_unit_is_recorded_the_others_go_on_and_it_is_tried_again(self):
        too_long = " ".join(["the"] * (CONTEXT + 1))
        item = json.dumps({"prompt": too_long, "classes": [" bread", " bell"], "answer_index": 0})
        good = (DEMO / "tasks" / "recall.jsonl").read_text()
        task = self.write("long.jsonl", good + item + "\n")
        spec = self.spec(tasks=[{"name": "long", "path": str(task)}, {"name": "good", "path": str(DEMO / "tasks" / "recall.jsonl")}],
                         conditions=[{"name": "zero_shot", "kind": "zero_shot"}])
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 3, "x long x zero_shot failed", "the model's context is")
        status = json.loads(run("status", store, "--json").out)
        self.assertEqual(status["failed"]["num_units"], 2)
        self.assertEqual(status["done"]["num_units"], 2)
        self.assertIn("the model's context is", status["failures"][0]["error"])
        self.check(run("run", spec, "-o", store, "--threads", 1), 3, "2 of 20 item ranges to do")
        self.check(run("fit", store), 0, "long zero_shot: without", "failed: ")

    def test_an_item_that_is_too_long_is_cut_on_the_left_where_the_condition_says_so(self):
        items = [json.loads(line) for line in (DEMO / "tasks" / "recall.jsonl").read_text().splitlines()]
        words = " ".join(item["prompt"] for item in items * 5).split(" ")
        self.assertGreater(len(words), CONTEXT)
        long, cut = ({**items[60], "prompt": " ".join(part)} for part in (words, words[-CONTEXT - 1 :]))
        task = self.write("long.jsonl", "\n".join(map(json.dumps, [long, cut, items[0]])))
        condition = {"name": "cut", "kind": "zero_shot", "too_long": "truncate_left"}
        spec = self.spec(tasks=[{"name": "long", "path": str(task)}], conditions=[condition])
        self.check(run("plan", spec), 0, "2 items do not fit", "will be cut on the left, the first is item 0")
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 0)
        self.assertEqual(json.loads(run("status", store, "--json").out)["num_items_truncated"], 4)  # two of each model
        self.check(run("status", store), 0, "4 items were cut to fit a model's context")

        model = DEMO / "models" / MODELS[0]
        self.check(run("score", model, task, "--threads", 1), 2, "item 0: the prompt with its continuation has")
        result = run("score", model, task, "--threads", 1, "--condition", json.dumps(condition))
        self.check(result, 0, "2 items were cut to fit")
        scores = [json.loads(line)["class_logprobs"] for line in result.out.splitlines()]
        self.assertEqual(scores[0], scores[1])
        self.assertNotEqual(scores[0], scores[2])

    def test_a_damaged_range_is_told_and_computed_again(self):
        store = self.folder / "s.h5"
        self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0)
        good = store.read_bytes()
        line = next(json.loads(x) for x in run("score", DEMO / "models" / smallest_models(1)[0], DEMO / "tasks" / "negation.jsonl",
                                               "--threads", 1, "--limit", 1).out.splitlines())
        value = struct.pack("<d", line["class_logprobs"][0])
        self.assertIn(value, good)
        damaged = bytearray(good)
        damaged[good.index(value)] ^= 1
        store.write_bytes(damaged)
        self.check(run("status", store), 0)
        self.check(run("status", store, "--verify"), 3, "damaged: ", "x negation x zero_shot, items 0 to 63;")
        status = json.loads(run("status", store, "--verify", "--json").out)
        self.assertEqual(status["pending"], {"num_units": 1, "num_items": 64})
        self.assertEqual((status["damaged"][0]["first_item"], status["damaged"][0]["last_item"]), (0, 63))
        self.check(run("fit", store), 0, "damaged or not a number")
        self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0, "1 of 40 item ranges to do")
        self.check(run("status", store, "--verify"), 0, "all checksums hold")

    def test_a_ladder_of_the_catalogue_is_run_and_has_its_training_flops(self):
        ladder = {"ladder": "pythia", "root": "hub", "members": ["pythia-70m", "pythia-160m"]}
        without_tokens = {"ladder": "gpt2", "root": "hub", "members": ["gpt2"]}
        spec = self.spec(models=[ladder, without_tokens], tasks=[{"name": "recall", "path": str(DEMO / "tasks" / "recall.jsonl"), "limit": 64}])
        store = self.folder / "s.h5"
        self.check(run("run", spec, "-o", store, ranks=2), 2, "/models/0/root: no such folders",
                   f"hf download EleutherAI/pythia-160m --local-dir {self.folder}/hub/pythia-160m")
        (self.folder / "hub").mkdir()
        for member, model in zip([*ladder["members"], "gpt2"], smallest_models(3), strict=True):
            (self.folder / "hub" / member).symlink_to(DEMO / "models" / model)
        self.check(run("run", spec, "-o", store, "--threads", 1), 0)
        curve = json.loads(run("fit", store, "--json", "--scale", "flops").out)["curves"][0]
        self.assertEqual(curve["family"], "pythia")
        self.assertEqual([point["model"] for point in curve["points"]], ladder["members"])
        for point in curve["points"]:  # Biderman et al. 2023 name the tokens
            self.assertEqual(point["training_flops"], 6 * point["num_parameters"] * 299_892_736_000)
        self.check(run("fit", store, "--scale", "flops"), 0, "without gpt2 (its training FLOPs are not known: neither training_tokens\n    nor training_flops are given)")

    def test_two_sweeps_on_one_store_do_not_mix(self):
        store = self.folder / "s.h5"
        first = start("run", self.long_spec(), "-o", store, "--threads", 1)
        self.wait_until_some_are_done(store)
        first.send_signal(signal.SIGSTOP)  # else it may be done before the second begins
        self.check(run("run", self.long_spec(), "-o", store, "--threads", 1), 1, "another sweep is writing")
        self.check(run("status", store), 0, "a sweep is writing it now")  # readers are not in the way
        self.assertTrue(json.loads(run("status", store, "--json").out)["is_being_written"])
        first.kill()
        first.communicate()
        self.assertNotIn("writing", run("status", store).out)

    def test_a_disk_that_fails_ends_the_sweep_and_the_same_command_goes_on(self):
        shim = os.environ.get("CATENARY_FAILING_DISK", str(BIN.parent / "tests" / "libfailing_disk.so"))
        spec = self.spec()
        undisturbed = self.folder / "undisturbed.h5"
        self.check(run("run", spec, "-o", undisturbed, "--threads", 1), 0)
        for ranks, failing in ((None, "all"), (2, "all"), (2, "0"), (2, "1")):
            store = self.folder / f"{ranks}-{failing}.h5"
            environment = dict(os.environ, LD_PRELOAD=shim, CATENARY_FAILING_FILE=str(store), CATENARY_FAILING_RANK=failing,
                               CATENARY_FAILING_CALL="write", CATENARY_FAILING_AFTER="30")
            self.check(run("run", spec, "-o", store, "--threads", 1, ranks=ranks, env=environment), 1, str(store))
            self.check(run("run", spec, "-o", store, "--threads", 1), 0, "going on with")
            self.assert_same_scores(undisturbed, store)

    def test_ranks_that_differ_are_told_and_do_not_hang(self):
        a, b = self.spec("a.json"), self.spec("b.json", models=[{"name": "m", "path": str(DEMO / "models" / MODELS[0])}])
        for second, problem in (((b, "--threads", "1"), "rank 1 reads another spec, task or model than rank 0"),
                                ((a, "--threads", "2"), "all ranks must compute alike, but rank 0 has")):
            command = [MPIEXEC]
            for spec, *options in ((a, "--threads", "1"), second):
                command += ["-n", "1", CATENARY, "run", str(spec), "-o", str(self.folder / "s.h5"), *options, ":"]
            result = Result(subprocess.Popen(command[:-1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            self.check(result, 2, problem)
            self.assertFalse((self.folder / "s.h5").exists())

    def test_a_tokenizer_that_appends_tokens_is_refused(self):
        model = self.folder / "model"
        shutil.copytree(DEMO / "models" / MODELS[0], model)
        path = model / "tokenizer.json"
        tokenizer = json.loads(path.read_text())
        tokenizer["post_processor"]["single"] = tokenizer["post_processor"]["single"][::-1]
        path.write_text(json.dumps(tokenizer))
        self.check(run("run", self.spec(models=[{"name": "m", "path": str(model)}]), "-o", self.folder / "s.h5"), 2,
                   "/models/0/path", "appends special tokens")
        self.check(run("score", model, DEMO / "tasks" / "recall.jsonl"), 2, "appends special tokens")

    def test_weights_that_are_not_numbers_are_a_failure_and_not_an_accuracy(self):
        model = self.folder / "model"
        shutil.copytree(DEMO / "models" / MODELS[0], model)
        weights = model / "model.safetensors"
        data = bytearray(weights.read_bytes())
        header = int.from_bytes(data[:8], "little")
        data[8 + header:] = b"\xc0\x7f" * ((len(data) - 8 - header) // 2)  # NaN in bfloat16
        weights.write_bytes(data)
        store = self.folder / "s.h5"
        self.check(run("run", self.spec(models=[{"name": "m", "path": str(model)}]), "-o", store), 3, "not finite")
        self.check(run("fit", store), 0, "without m (failed: item 0: a log-likelihood is nan")

    def test_a_pipe_in_place_of_a_file_is_refused_at_once(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.check(run("run", pipe, "-o", self.folder / "s.h5"), 2, "not a regular file")
        self.check(run("score", DEMO / "models" / MODELS[0], pipe), 2, "not a regular file")

    def test_a_full_disk_below_standard_output_is_an_error(self):
        store = self.folder / "s.h5"
        self.check(run("run", self.spec(), "-o", store), 0)
        for args in (["status", store], ["fit", store, "--json"], ["score", DEMO / "models" / MODELS[0], DEMO / "tasks" / "recall.jsonl"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([CATENARY, *map(str, args)], stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertRegex(result.stderr, "cannot (be written|write)")

    def test_a_changed_spec_or_other_numerics_are_refused_and_the_store_stays(self):
        store = self.folder / "s.h5"
        self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0)
        before = store.read_bytes()
        other = self.spec("other.json", conditions=[{"name": "zero_shot", "kind": "zero_shot"}])  # the store has one more
        self.check(run("run", other, "-o", store, "--threads", 1), 2, str(store), "few_shot_3")
        self.check(run("run", self.spec(), "-o", store, "--threads", 2), 2, "thread")
        self.check(run("run", self.spec("bf.json", dtype="bfloat16"), "-o", store, "--threads", 1, ranks=2), 2, "dtype")
        refused = run("run", self.spec(), "-o", store, "--threads", 2, ranks=2)  # by all ranks, and said by one
        self.assertEqual(refused.err.count("this sweep cannot go on"), 1, refused.err)
        self.assertNotIn("MPI_ABORT", refused.err)
        self.assertEqual(store.read_bytes(), before)

    # ---- bad input -------------------------------------------------------------------------------------------------

    def test_bad_input_is_one_message_with_exit_code_2_and_nothing_is_written(self):
        model = {"name": "m", "path": str(DEMO / "models" / MODELS[0])}
        task = {"name": "t", "path": str(DEMO / "tasks" / "recall.jsonl")}
        bad_items = self.write("bad.jsonl", '{"prompt": "a", "classes": [], "answer_index": 0}\n'
                               '{"prompt": "a", "classes": [" b", " c"], "answer_index": 2}\n')
        truncated = self.folder / "truncated"
        shutil.copytree(DEMO / "models" / MODELS[0], truncated)
        weights = truncated / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        cases = [
            (self.folder / "no.json", ["no.json"]),
            (self.write("broken.json", "{"), ["broken.json", "not valid JSON"]),
            (self.spec("type.json", models={"name": "m"}), ["/models: expected a list"]),
            (self.spec("unknown.json", colour="red"), ["/colour: unknown key"]),
            (self.spec("twice.json", models=[model, model]), ["/models/1/name", "used twice"]),
            (self.write("empty.json", '{"name": "s", "models": [], "tasks": [], "conditions": []}'), ["/models: expected a list of at least one"]),
            (self.spec("gone.json", models=[model, {"name": "n", "path": "gone"}], tasks=[task, {"name": "u", "path": "gone.jsonl"}]),
             ["/models/1/path", "gone", "/tasks/1/path", "gone.jsonl"]),
            (self.spec("items.json", tasks=[{"name": "t", "path": str(bad_items)}]),
             ["bad.jsonl:1: classes", "bad.jsonl:2: answer_index: expected 0 to 1, found 2"]),
            (self.spec("cut.json", models=[{"name": "m", "path": str(truncated)}]), ["/models/0/path", "model.safetensors"]),
            (self.spec("chat.json", conditions=[{"name": "c", "kind": "few_shot+instruct", "k": 1000,
                                                 "chat_template": str(self.write("t.jinja", "{{ messages[0].content }}"))}]),
             ["/conditions/0", "1000 exemplars"]),
            (self.spec("shots.json", conditions=[{"name": "c", "kind": "few_shot", "k": 1000}]), ['/conditions/0: task "negation"', "1000 exemplars", 'task "recall"']),
        ]
        store = self.folder / "s.h5"
        for spec, texts in cases:
            for ranks in (None, 2):
                result = run("run", spec, "-o", store, ranks=ranks)
                self.check(result, 2, *texts)
                self.assertEqual(result.err.count("catenary: error"), 1, result.err)
                self.assertFalse(store.exists())
        self.assertEqual([path for path in self.folder.iterdir() if "h5" in path.name], [])

    def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(self):
        other = self.write("notes.h5", "not a store")
        for ranks in (None, 3):
            result = run("run", self.spec(), "-o", other, ranks=ranks)
            self.check(result, 1, "notes.h5: not an HDF5 file")
            self.assertEqual(result.err.count("catenary: error"), 1, result.err)
        self.check(run("status", other), 1, "notes.h5")
        self.check(run("status", self.folder / "gone.h5"), 2, "gone.h5: No such file")
        self.check(run("fit", other), 2, "expected a store (.h5), a table (.csv) or a folder")
        self.assertEqual(other.read_text(), "not a store")
        self.check(run("run", self.spec(), "-o", self.folder / "no" / "folder.h5"), 1, "folder.h5")

    def test_mistakes_in_the_command_are_told(self):
        self.check(run(), 2)
        self.check(run("fly"), 2)
        self.check(run("run", "spec.json"), 2, "--output is required")
        self.check(run("run", "spec.json", "-o", "s.h5", "--threads", 0), 2, "expected a whole number from 1 to 1024")
        self.check(run("score", "m", "t", "--seed", 3), 2, "requires --few-shot")
        self.assertEqual(run("fly", ranks=2).err.count("Run with --help"), 1)
        self.check(run("score", DEMO / "models" / MODELS[0], DEMO / "tasks" / "recall.jsonl", "--dtype", "int4"), 2, "--dtype")
        self.check(run("run", "--help"), 0, "Examples:")
        self.check(run("--version"), 0, "catenary 0.")

    # ---- score, status, fit ----------------------------------------------------------------------------------------

    def test_score_prints_a_line_an_item(self):
        model, task = DEMO / "models" / MODELS[0], DEMO / "tasks" / "negation.jsonl"
        result = run("score", model, task, "--threads", 1)
        self.check(result, 0)
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([line["item"] for line in lines], list(range(len(lines))))
        self.assertEqual(set(lines[0]), {"item", "class_logprobs", "n_tokens", "greedy"})
        part = run("score", model, task, "--threads", 1, "--offset", 64, "--limit", 3)
        self.assertEqual([json.loads(line)["item"] for line in part.out.splitlines()], [64, 65, 66])
        few = run("score", model, task, "--threads", 1, "--limit", 2, "--few-shot", 3, "--separator", "\n")
        self.assertNotEqual(json.loads(few.out.splitlines()[0])["class_logprobs"], lines[0]["class_logprobs"])
        self.check(run("score", model, task, "--offset", 100000), 2, "beyond the last")
        self.check(run("score", self.folder, task), 2, str(self.folder))

    def test_fit_writes_what_it_shows(self):
        store = self.folder / "s.h5"
        spec = self.spec(models=[{"name": m, "path": str(DEMO / "models" / m), "training_tokens": 1e6} for m in MODELS],
                         conditions=[{"name": "zero_shot", "kind": "zero_shot"}])
        self.check(run("run", spec, "-o", store, "--threads", 1, ranks=2), 0)
        table = run("fit", store, "-o", self.folder / "fits")
        self.check(table, 0, "accuracy against parameters", "loss (nats) against parameters", "negation", "recall")
        fit = json.loads((self.folder / "fits" / "fit.json").read_text())
        self.assertEqual(fit, json.loads(run("fit", store, "--json").out))
        self.assertEqual(len(fit["curves"]), 4)
        for curve in fit["curves"]:
            self.assertEqual(len(curve["points"]), len(MODELS))
            self.assertIn(curve["verdict"], ("positive", "inverse", "u_shaped", "inverted_u", "flat", "inconclusive"))
            sizes = [point["num_parameters"] for point in curve["points"]]
            self.assertEqual(sizes, sorted(sizes))
        rows = (self.folder / "fits" / "points.csv").read_text().splitlines()
        self.assertEqual(len(rows), 1 + 4 * len(MODELS))
        flops = json.loads(run("fit", store, "--json", "--scale", "flops", "--metric", "loss").out)["curves"]
        self.assertEqual({curve["metric"] for curve in flops}, {"loss"})
        self.assertEqual(flops[0]["points"][0]["training_flops"], 6e6 * flops[0]["points"][0]["num_parameters"])

    def test_accuracy_and_loss_follow_from_the_scores_by_definition(self):
        import math
        model, task = smallest_models(1)[0], DEMO / "tasks" / "negation.jsonl"
        items = [json.loads(line) for line in task.read_text().splitlines()]
        scores = [json.loads(line) for line in run("score", DEMO / "models" / model, task, "--threads", 1).out.splitlines()]
        correct, losses = [], []
        for item, score in zip(items, scores, strict=True):
            p, answer = score["class_logprobs"], item["answer_index"]
            correct.append(max(range(len(p)), key=lambda c: p[c]) == answer)
            losses.append(math.log(sum(math.exp(x) for x in p)) - p[answer])
        store = self.folder / "s.h5"
        self.check(run("run", self.spec(), "-o", store, "--threads", 1), 0)
        for curve in json.loads(run("fit", store, "--json").out)["curves"]:
            if (curve["task"], curve["condition"]) != ("negation", "zero_shot"):
                continue
            point = next(point for point in curve["points"] if point["model"] == model)
            mean = lambda values: sum(values) / len(values)
            self.assertAlmostEqual(point["value"], mean(correct) if curve["metric"] == "accuracy" else mean(losses), places=9)

    def test_every_format_that_is_scored_under_several_conditions(self):
        """Means of `fit` against the scores of `score`, which knows no log-odds here: each prompt is a task of its own."""
        model = DEMO / "models" / smallest_models(1)[0]
        traps = [json.loads(line) for line in (DEMO / "tasks" / "negation.jsonl").read_text().splitlines()[:40]]
        plain = [{**item, "prompt": item["prompt"].replace(" not", "")} for item in traps]
        lines = lambda items: "".join(json.dumps(item) + "\n" for item in items)
        first, second = self.write("first.jsonl", lines(plain)), self.write("second.jsonl", lines(traps))
        logodds = self.write("logodds.jsonl", lines({**a, "other_prompt": b["prompt"]} for a, b in zip(plain, traps)))
        sequence = self.write("sequence.jsonl", lines(
            {"prompt": item["prompt"], "completion": item["classes"][item["answer_index"]]} for item in traps))
        template = self.write("t.jinja", "{% for m in messages %}{{ m.content }}{{ '\\n' }}{% endfor %}")
        few_shot = {"kind": "few_shot", "k": 2, "separator": "\n", "labels": "balanced", "answers": "wrong"}
        chat = {"kind": "instruct", "system": "look", "chat_template": str(template)}
        store = self.folder / "s.h5"
        spec = self.spec(
            models=[{"name": "m", "path": str(model)}],
            tasks=[{"name": "logodds", "path": str(logodds)}, {"name": "sequence", "path": str(sequence)},
                   {"name": "absolute", "path": str(logodds), "format": "absolute_logodds"}],
            conditions=[{"name": "z", "kind": "zero_shot"}, {"name": "chat", **chat}])
        self.check(run("run", spec, "-o", store, "--threads", 1), 0, "done; next")
        fitted = {(c["task"], c["condition"], c["metric"]): c["points"] for c in json.loads(run("fit", store, "--json").out)["curves"]}
        for name, condition in (("z", "zero_shot"), ("chat", json.dumps(chat))):
            def totals(task):
                out = run("score", model, task, "--threads", 1, "--condition", condition).out
                return [json.loads(line)["class_logprobs"] for line in out.splitlines()]
            differences, correct = [], []
            for item, l, o in zip(traps, totals(first), totals(second), strict=True):
                difference = (l[0] - l[1]) - (o[0] - o[1])
                differences.append(-difference if item["answer_index"] == 1 else difference)
                correct.append((o[1] > o[0]) == (item["answer_index"] == 1))
            mean = lambda values: sum(values) / len(values)
            value = lambda task, metric: fitted[task, name, metric][0]["value"]
            # Batches of other sequences move the last bits of float32.
            self.assertAlmostEqual(value("logodds", "loss"), mean(differences), places=4)
            self.assertAlmostEqual(value("absolute", "loss"), mean([abs(d) for d in differences]), places=4)
            self.assertAlmostEqual(value("logodds", "accuracy"), mean(correct), places=9)
            self.assertAlmostEqual(value("sequence", "loss"), mean([-l[0] for l in totals(sequence)]), places=4)
            self.assertNotIn(("sequence", name, "accuracy"), fitted)
        balanced = run("score", model, second, "--threads", 1, "--condition", json.dumps(few_shot))
        self.check(balanced, 0, "guessing has accuracy 0.5")


if __name__ == "__main__":
    unittest.main(verbosity=2)
