from harness.programs import STATUS as STATUS
from harness.programs import peak_memory

run = peak_memory
