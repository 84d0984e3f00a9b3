from harness.archive import *  # noqa: F403
