"""The fixtures of the integration tests, for the stories of this folder."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from fixtures import (build_dir, engine, hub, image, make_hub,  # noqa: E402, F401
                      runner_image, runnerhub)
