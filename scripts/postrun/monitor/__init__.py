"""Waiting for runs: one loop for one run and for many.

timeouts      the flags that say how long to wait for what
states        the state of a run: pure functions over facts
facts         from the snapshot of a run to those facts
run_monitor   one run: its state, and its event journal
journal       monitor_events.jsonl
discovery     which runs of a workstation are new, not closed yet and recent enough
host_monitor  one workstation: a poll for all its runs, and their monitors
loop          MonitorLoop: polls every workstation, reports, and closes what is complete
display       what a person sees of it, for one run and for many
screen        lines on a terminal, some of them replaced in place
table         the live table, and the report row of each run
notify        notifications to people who are not at the terminal
"""
