"""What tests have in common.

factory    an official run's documents on a workstation, complete and consistent, written to disk
spoiled    ways to spoil them that more than one test module uses
workspace  a workstation beside a workspace, and runs closed between them, quickly
closed_workspace  closed runs of every kind, made by the scripts as programs
tampering  every way to tamper with them
verified   a copy of three closed runs, and what verify finds in it
retained   sealed runs of which files may be archived
clean_run  what the audit knows of a clean run
archive    closed runs without their evidence, in numbers
strace     a program's file operations, listed and disturbed one at a time
programs   run a script in this process or as a program of its own; wait for something
warm_script  run a script many times without importing it each time
sshd       a real sshd on 127.0.0.1
slurm      a real Slurm of one node on 127.0.0.1
ssh_setups the ways in which people reach it, each made for real
sample     a real run of the sample workstation
golden     pages that must stay as they are
"""
