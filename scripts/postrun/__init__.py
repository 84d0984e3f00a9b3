"""What two or more scripts need, and nothing else.

core       errors and exit codes, time, atomic files, the artifact table, names and locations
store      JSON, CSV, pages, the ledger, configuration, the evidence manifest
decide     gates, scoring, failure history, planning: pure functions, no files
remote     the workstation: hosts, probes (POSIX sh), their answers, processes
detect audit review monitor launcher    what one script needs and outgrew its file
flags ending    shared flags and --help; an error becomes one line and an exit code
cli        which run is meant, and under which lock a step works

Imports go down only, in this order; `tests/project/test_structure.py` checks it.
"""
