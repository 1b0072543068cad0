"""The module that the runtime client loads: a contender's handler, both named in the environment."""

import os

from benchmarks import contenders

handler = contenders.CONTENDERS[os.environ["CONTENDER"]](os.environ["CASE"])
