"""The parts of the run review, apart by where they come from. Nothing here opens a file.

stages       the gate report and the table of windows, as plain values
standing     ledger, audit and plan together: recommendation, what blocks, what follows
luck         could it be luck: the trials up to the run
earlier      its score among earlier runs, and those of its factor
origin       who ran it, on what and when
log_end      the last lines of the log of a run that failed
comparison   the run beside the last one of its factor
"""
