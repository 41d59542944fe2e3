"""What this machine is and has: its figures, its firewall, its fitness, and the welcome image.

Each file keeps two halves: a thin one that reads or runs, and a pure one that decides, so that
the decisions are tested with machines nobody owns.
"""
