python run_production_gates.py --factor reversal_1 --decision-tag old_2026-02-23_run1
