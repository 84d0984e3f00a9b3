"""What the launcher and the data-quality gate are made of. Standard library only, Linux and macOS.

policy      what a machine and its data must offer: `configs/launcher_policy.json`
machine     what the machine and the checkout are
run_folder  the folder of one run, and what is written before its workload starts
tally       one pass over a data file, counting what the data-quality gate asks
records     JSON and shell lines that are whole whatever the notes hold
supervisor  the workload from its start to its result.json
"""
