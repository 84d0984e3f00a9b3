"""The parts of the launcher and the data-quality gate. Standard library only, Linux and macOS.

policy      what a machine and its data must offer: `configs/launcher_policy.json`
machine     facts about the machine and the checkout
run_folder  the folder of one run, and what is written before its workload starts
data_scan   one pass over a data file that counts what the data-quality gate asks
records     JSON files and command files
supervisor  the workload from its start to its result.json
"""

POLICY_FILE = "configs/launcher_policy.json"  # from the root, or from the project
