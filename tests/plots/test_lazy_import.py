import subprocess
import sys

import minibatch.plots


def test_importing_the_room_leaves_matplotlib_alone():
    code = "import minibatch.plots, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_plane_needs_no_matplotlib():
    code = (
        "import sys, numpy as np, minibatch.plots as plots;"
        "plots.principal_plane({1: np.eye(3)}); plots.batch_styles([1, 'full']);"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everything_exported_exists():
    assert all(hasattr(minibatch.plots, name) for name in minibatch.plots.__all__)
