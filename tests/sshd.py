from harness.sshd import *  # noqa: F403
