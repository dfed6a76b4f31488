"""The fixtures of fixtures.py, by name, for every test of this folder."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fixtures import (build_dir, engine, hub, image, make_hub,  # noqa: E402, F401
                      make_module_hub, runner_image, runnerhub)
