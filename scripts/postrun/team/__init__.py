"""What `make push` and `make pull` do: one registry for several people, without a server of ours.

`stores.py` reaches the team's root, `bucket.py` one in an object store, `listing.py` lists the
files of a run, `pushing.py` and `pulling.py` are the two directions, `arranging.py` puts the
closing of a run into its place that counts. docs/TEAM.md has the design.
"""
