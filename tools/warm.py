"""Compile the libraries once, so that the first command of a new place is as fast as the rest.

Where the environment forbids Python to keep what it compiles, as containers often do, every command would otherwise
compile a thousand files anew, for seconds.
"""

import compileall
import re
import sysconfig
from pathlib import Path

# What no command loads, or only a few files of: tests, names in eighty languages, the tools of development.
LEFT_OUT = re.compile(r"/(tests?|phonenumbers/(geo|carrier|tz)data|faker|mypy\w*|pygments|hypothesis|playwright)/")


def main() -> None:
    for folder in (Path(__file__).parent.parent / "src", Path(sysconfig.get_path("purelib"))):
        compileall.compile_dir(folder, quiet=2, workers=0, rx=LEFT_OUT)


if __name__ == "__main__":
    main()
