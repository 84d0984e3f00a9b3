"""What a watch over many runs tells.

table    the live table on the terminal, and what became of each run
closing  the order to close one of them, and what came of it

A package, because following runs and telling of them are two things. Nothing here speaks with a workstation.
"""
