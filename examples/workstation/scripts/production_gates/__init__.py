"""The modules of the sample gate program; `examples/README.md` has the formulas.

options        the command line and the strategy file
panel          prices, signals, costs, information coefficients
walk_forward   windows, shard processes, merging
risk           exposure of the portfolio
significance   the family of factors, adjusted together
gates          the rules, and the report's Markdown page
files          writing JSON, CSV and progress lines

Nothing here knows the toolkit that reads the results, as on a real workstation.
"""
