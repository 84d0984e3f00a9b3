"""The judgment of detect_run.py: which run is meant, and which gate report is its own. Pure functions over one look.

runs      the run: exact tag, newest with a context, ended properly, nobody at work on it
reports   the report: the tag in its inputs, and the time between the run's start and its result
"""
