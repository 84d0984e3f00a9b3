python run_production_gates.py --factor momentum_12_1 --decision-tag old_2026-02-24_run1
