"""The wheel, and the stubs: what they name is there, and what is there they name."""

import ast
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

import detent
import detent.aio
from detent import _detent

SOURCE = os.environ["DETENT_SOURCE"]
BUILD = os.environ["DETENT_BUILD"]


def named(nodes):
    """name -> None, or the names inside of a class."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            found[node.name] = set(named(node.body))
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = None
    return found


class Package(unittest.TestCase):
    def test_the_stub_is_the_extension(self):
        with open(os.path.join(SOURCE, "bindings/python/detent/_detent.pyi"), encoding="utf-8") as file:
            stub = named(ast.parse(file.read()).body)
        del stub["Target"]
        public = {name for name in dir(_detent) if not name.startswith("_")}
        self.assertEqual(set(stub), public)
        for name, members in stub.items():
            if members is not None:
                real = {each for each in vars(getattr(_detent, name)) if not each.startswith("__")}
                self.assertEqual(members - {"__new__"}, real, name)

    def test_all_is_all(self):
        for name in detent.__all__:
            self.assertTrue(hasattr(detent, name), name)

    def test_everything_public_is_annotated(self):
        for module in ("_service", "_timer", "aio"):
            path = os.path.join(SOURCE, "bindings/python/detent", module + ".py")
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read())
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.assertIsNotNone(node.returns, f"{module}.{node.name}")

    def test_a_wheel_is_made_and_works(self):
        sys.path.insert(0, os.path.join(SOURCE, "bindings/python"))
        import build_backend

        with tempfile.TemporaryDirectory() as folder:
            name = build_backend.build_wheel(folder, {"build": BUILD})
            with zipfile.ZipFile(os.path.join(folder, name)) as archive:
                archive.extractall(folder)
                self.assertIn("detent/py.typed", archive.namelist())
            program = "import detent; t = detent.Timer(0, print, ['works']); t.start(); t.join()"
            said = subprocess.check_output([sys.executable, "-B", "-c", program],
                                           env={**os.environ, "PYTHONPATH": folder}, text=True)
            self.assertEqual(said, "works\n")


if __name__ == "__main__":
    unittest.main()
