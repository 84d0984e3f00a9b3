"""The final summary of a run: the decision on one page, with the audit's answer.

`page.py` gathers and writes it. The step that decides and the step that audits both write it, the
second one with the answer.
"""
