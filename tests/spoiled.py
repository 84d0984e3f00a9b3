from harness.spoiled import *  # noqa: F403
