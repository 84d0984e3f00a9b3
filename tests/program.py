from harness.programs import *  # noqa: F403
