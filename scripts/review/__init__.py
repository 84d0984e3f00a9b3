"""The parts of the run review: `stages` puts a report into plain values, `comparison` sets a run beside the one before.

A package, because the facts of a committee's page are more than one script. Nothing here opens a file.
"""
