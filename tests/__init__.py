"""Tests of resray, in processes whose threads wait without computing.

Two workers of pytest and the processes that they start share the machine's cores. A thread of torch
that spins until the others arrive keeps those from their core: training steps of two threads were
measured to take 4 to 7 times as long. OpenMP reads its settings when torch is imported.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
