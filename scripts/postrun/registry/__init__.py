"""The factor experiment registry: one scored row for every closed run.

`rows.py` makes the row of one run and reads the table, or makes it again from the run folders when
it is not what was recorded; `closed_runs.py` says which closed runs are no longer as recorded.
"""
