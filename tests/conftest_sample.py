from harness.sample import *  # noqa: F403
