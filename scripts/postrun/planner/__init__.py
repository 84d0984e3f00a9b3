"""The commands of the next-run plan.

commands    makes each from its row of the queue and from what the source run left

Shared by the step that writes the plan and the script that starts one of its commands.
"""
