"""How detect_run.py decides which run is meant and which gate report is its own.

Pure functions over one listing of the workstation:

runs      the run: exact tag, newest with a context, ended properly, no process at work on it
reports   the report: the tag in its inputs, and its time between the run's start and its result
"""
