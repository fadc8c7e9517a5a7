"""``python -m setle.testing`` is ``setle sandbox``."""

import runpy
import sys

sys.argv[1:1] = ["sandbox"]
runpy.run_module("setle", run_name="__main__", alter_sys=True)
