"""The parts of the run review, apart by where they come from. Nothing here opens a file.

stages       the gate report and the table of windows, as plain values
standing     ledger, audit and plan together: recommendation, what blocks, what follows
comparison   the run beside the last one of its factor
"""
