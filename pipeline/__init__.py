"""How the data is run: plan, engine, resume, account, report and progress."""

import os

# Threads that compute together wait for each other, by default spinning, which beside other work
# takes the core from the one they wait for. OpenMP reads this once, as torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
