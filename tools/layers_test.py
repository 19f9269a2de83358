#!/usr/bin/env python3
"""Each rule of layers.py with a text that breaks it and one that does not."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layers

TABLE = """
layer public:
layer base: public
layer platform: public base
layer wheel: public base
layer sync: public base platform
layer engine: public base platform wheel sync
layer adapters/*: public
layer cli: public adapters
layer tests/contract: public
face base bits.hpp: small enough to stand alone
"""

# What the texts below include.
TREE = {
    "include/detent/timer.hpp": "",
    "src/base/base.hpp": "",
    "src/base/bits.hpp": "",
    "src/wheel/wheel.hpp": "",
    "src/wheel/slot.hpp": "",
    "adapters/asio/asio.hpp": "",
    "adapters/coro/coro.hpp": "",
    "cli/page.hpp": "",
}


def rules(path, text, extra=None, table=TABLE):
    tree = dict(TREE, **(extra or {}))
    tree[path] = text
    for name in list(tree):
        if name.startswith("src/"):
            tree.setdefault("/".join(name.split("/")[:2]) + "/README.md", "")
    return sorted({finding.rule for finding in layers.check(tree, layers.Table(table))})


class Includes(unittest.TestCase):
    def test_allowed(self):
        self.assertEqual(rules("src/engine/engine.cpp", '#include "wheel/wheel.hpp"\n#include <detent/timer.hpp>\n'), [])
        self.assertEqual(rules("src/wheel/wheel.cpp", '#include "slot.hpp"\n#include "wheel/slot.hpp"\n'), [])
        self.assertEqual(rules("tests/unit/wheel/slot_test.cpp", '#include "wheel/slot.hpp"\n'), [])
        self.assertEqual(rules("cli/main.cpp", '#include "page.hpp"\n#include "adapters/asio/asio.hpp"\n'), [])

    def test_layer(self):
        self.assertEqual(rules("src/base/base.cpp", '#include "wheel/wheel.hpp"\n'), ["layer"])
        self.assertEqual(rules("tests/contract/G01_a_test.cpp", '#include "wheel/wheel.hpp"\n'), ["layer"])
        self.assertEqual(rules("tests/contract/G01_a_test.cpp", '#include "../../src/wheel/wheel.hpp"\n'), ["layer"])
        self.assertEqual(rules("adapters/coro/coro.cpp", '#include "adapters/asio/asio.hpp"\n'), ["layer"])
        self.assertEqual(rules("include/detent/a.hpp", '#include "base/base.hpp"\n'), ["layer"])

    def test_comment_is_no_include(self):
        self.assertEqual(rules("src/base/base.cpp", '// #include "wheel/wheel.hpp"\n/*\n#include "wheel/wheel.hpp"\n*/'), [])

    def test_face(self):
        self.assertEqual(rules("src/engine/engine.cpp", '#include "wheel/slot.hpp"\n'), ["face"])
        self.assertEqual(rules("src/engine/engine.cpp", '#include "base/bits.hpp"\n'), [])

    def test_quotes(self):
        self.assertEqual(rules("src/base/base.cpp", '#include "detent/timer.hpp"\n'), ["quotes"])

    def test_cycles(self):
        self.assertEqual(rules("src/wheel/wheel.hpp", '#include "slot.hpp"\n',
                               {"src/wheel/slot.hpp": '#include "wheel.hpp"\n'}), ["cycle"])
        self.assertEqual(rules("src/base/base.hpp", "", table=TABLE + "layer base: wheel\n"), ["cycle"])

    def test_unknown_folder(self):
        self.assertEqual(rules("src/extra/extra.cpp", ""), ["folder"])

    def test_os(self):
        self.assertEqual(rules("src/wheel/wheel.cpp", "#include <sys/timerfd.h>\n"), ["os-header"])
        self.assertEqual(rules("src/platform/platform.cpp", "#include <unistd.h>\n#ifdef __linux__\n#endif\n"), [])
        self.assertEqual(rules("src/wheel/wheel.cpp", "#if defined(__linux__)\n#endif\n"), ["os-if"])
        self.assertEqual(rules("src/wheel/wheel.cpp", "#include <ctime>\n#if defined(__clang__)\n#endif\n"), [])

    def test_heavy(self):
        self.assertEqual(rules("include/detent/a.hpp", "#include <functional>\n"), ["heavy"])
        self.assertEqual(rules("src/base/base.cpp", "#include <functional>\n"), [])


class Words(unittest.TestCase):
    def test_sleep(self):
        sleep = "std::this_thread::sleep_for(1ms);\n"
        self.assertEqual(rules("tests/unit/wheel/a_test.cpp", sleep), ["sleep"])
        self.assertEqual(rules("tests/stress/a_test.cpp", sleep), [])

    def test_thread(self):
        self.assertEqual(rules("src/engine/engine.cpp", "std::thread t(f);\n"), ["thread"])
        self.assertEqual(rules("src/platform/platform.cpp", "std::thread t(f);\n"), [])

    def test_detach(self):
        self.assertEqual(rules("tests/stress/a_test.cpp", "std::thread([] {}).detach();\n"), ["detach"])
        self.assertEqual(rules("tests/stress/a_test.cpp", "worker_thread.detach();\n"), ["detach"])
        self.assertEqual(rules("tests/stress/a_test.cpp", "std::move(timer).detach();\ncurrent.detach();\n"), [])

    def test_seq_cst(self):
        self.assertEqual(rules("src/wheel/wheel.cpp", "a.load(std::memory_order_seq_cst);\n"), ["seq-cst"])
        self.assertEqual(rules("src/wheel/wheel.cpp", "// proof: P3\na.load(std::memory_order::seq_cst);\n"), [])

    def test_order(self):
        for call in ("a.load()", "a->store(f(1, 2))", "a.fetch_or(1)", "a.compare_exchange_weak(x,\n y)"):
            self.assertEqual(rules("src/sync/sync.cpp", call + ";\n"), ["order"], call)
            self.assertEqual(rules("src/wheel/wheel.cpp", call + ";\n"), [], call)
        for call in ("a.load(relaxed)", "a.store(f(1), release)", "a.exchange({1, 2}, acq_rel)",
                     "std::exchange(a, 1)", "a.compare_exchange_weak(x, y, acq_rel, relaxed)"):
            self.assertEqual(rules("src/sync/sync.cpp", call + ";\n"), [], call)

    def test_line_length(self):
        self.assertEqual(rules("src/wheel/wheel.cpp", "// " + "x" * 117 + "\n"), [])
        self.assertEqual(rules("src/wheel/wheel.cpp", "// " + "x" * 118 + "\n"), ["line-length"])
        self.assertEqual(rules("src/wheel/wheel.cpp", "// a | " + "x" * 118 + "\n"), [])

    def test_allow(self):
        self.assertEqual(rules("src/sync/sync.cpp", "// allow(order): no atomic\na.load();\n"), [])
        self.assertEqual(rules("src/sync/sync.cpp", "a.load();  // allow(order):\n"), ["order"])
        self.assertEqual(rules("src/sync/sync.cpp", "a.load();  // allow(sleep): no\n"), ["order"])

    def test_strings_do_not_count(self):
        self.assertEqual(rules("src/engine/engine.cpp", 'say("std::thread");  // std::thread, 1\'000\n'), [])


class Tree(unittest.TestCase):
    def test_names(self):
        for path in ("src/base/util.hpp", "tests/unit/helpers/a_test.cpp", "cli/page_manager.cpp"):
            self.assertEqual(rules(path, ""), ["name"], path)
        self.assertEqual(rules("cli/utility_room.cpp", ""), [])

    def test_lengths(self):
        self.assertEqual(rules("examples/01_a.cpp", "\n" * 61), ["example-length"])
        self.assertEqual(rules("examples/01_a.cpp", "\n" * 60), [])
        self.assertEqual(rules("src/base/README.md", "\n" * 41), ["readme-length"])
        self.assertEqual(rules("src/base/base.cpp", "\n" * 501), ["file-length"])
        self.assertEqual(rules("src/base/base.cpp", "// allow(file-length): one table\n" + "\n" * 501), [])

    def test_readme(self):
        tree = {"src/base/base.hpp": ""}
        self.assertEqual([f.rule for f in layers.check(tree, layers.Table(TABLE))], ["readme"])

    def test_guarantees(self):
        promised = {"docs/guarantees.md": "| G01 | never early, see G02 |\n"}
        self.assertEqual(rules("tests/contract/G01_early_test.cpp", "", promised), [])
        self.assertEqual(rules("tests/contract/G02_end_test.cpp", "", promised), ["guarantee"])

    def test_table(self):
        with self.assertRaises(ValueError):
            layers.Table("face wheel slot.hpp\n")


if __name__ == "__main__":
    unittest.main()
