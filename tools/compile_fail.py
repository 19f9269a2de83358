#!/usr/bin/env python3
"""A file that must not compile, for the reason it names.

    compile_fail.py FILE COMPILER [FLAGS...]

FILE says `// expect-error: TEXT`, or `TEXT | TEXT` where g++ and clang use other words. It must fail to compile with
one of the texts in the compiler's words, and must compile with -DDETENT_COMPILE_OK: otherwise it might fail for any
reason, a misspelt name for instance.
"""

import re
import subprocess
import sys


def main():
    file, *compiler = sys.argv[1:]
    with open(file, encoding="utf-8") as text:
        expected = re.findall(r"^// expect-error: *(.*?) *$", text.read(), re.M)
    if not expected:
        return f"{file}: no line `// expect-error: TEXT`"

    # Compiled for real, for -fsyntax-only leaves out what only instantiation finds.
    command = [*compiler, "-c", "-o", "/dev/null", file]
    good = subprocess.run([*command, "-DDETENT_COMPILE_OK"], capture_output=True, text=True)
    if good.returncode != 0:
        return f"{file}: does not compile with -DDETENT_COMPILE_OK either:\n{good.stderr}"
    bad = subprocess.run(command, capture_output=True, text=True)
    if bad.returncode == 0:
        return f"{file}: compiles, and should not: {expected[0]}"
    missing = [texts for texts in expected if not any(text in bad.stderr for text in texts.split(" | "))]
    if missing:
        return f"{file}: fails, but without the words: {missing[0]}\n{bad.stderr}"
    return 0


sys.exit(main())
