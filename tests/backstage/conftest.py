"""Hub, engine and image as in tests/integration, by the same names."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../integration", "../fakes", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, folder)))

from fixtures import (build_dir, engine, image, make_hub,  # noqa: E402, F401
                      make_module_hub, runnerhub)
