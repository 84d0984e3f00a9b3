"""The parts of the run review: what a committee is told, apart by where it comes from.

stages       the gate report and the table of windows, as plain values
standing     ledger, audit and plan read together: recommendation, what blocks, what follows
comparison   the run beside the last one of its factor

A package, because the facts of a committee's page are more than one script. Nothing here opens a file.
"""
