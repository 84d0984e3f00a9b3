"""What two or more scripts need, and nothing else: the rooms below the steps.

floor 0, facts (standard library only)
    errors     every refusal and its exit code        layout     the nouns: each artifact, once
    outcome    what a step is asked, what came of it  clock      the one source of "now"
    disk       atomic writes, digests, kernel locks   gates      the gate rules of the workstation
    belonging  which gate report belongs to a run     command    what a command line of bash says
    processes  which processes belong to a run        states     the monitor's judgment, one pure function
    screen     what a person who waits sees           scoring    the score of an experiment
    history    what became of each failure            planning   from a closed run to the next command
floor 1, doors (each third-party package has one)
    artifacts (jsonschema, jsonschema-rs)   tables (pandas)   render (jinja2)   workstation (fabric, rsync)
    notify (apprise, where it is installed)
    ledger  policy  catalogue  evidence  journal  lookout  patrol  target  verdict    (through other doors)
floor 2, desk
    cli      shared flags; a refusal becomes one line and an exit code
    starting a run on the workstation

Imports go down only. `tests/project/test_house.py` holds the plan against the code.
"""
