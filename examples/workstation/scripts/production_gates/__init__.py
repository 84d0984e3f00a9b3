"""The rooms of the sample gate program; `examples/README.md` has the formulas.

options        what the program is asked
panel          prices, signals, costs, information coefficients
walk_forward   windows, shard processes, merging
risk           exposure of the book
significance   the family of factors, adjusted together
gates          the rules, and the report's readable face
files          how results reach the disk

Nothing here knows the toolkit that reads the results, as on a real workstation.
"""
