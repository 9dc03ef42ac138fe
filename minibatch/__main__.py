"""``python -m minibatch``."""

import sys

from minibatch.cli import main

sys.exit(main())
