from harness.factory import *  # noqa: F403
