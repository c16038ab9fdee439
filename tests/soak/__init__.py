"""Load with faults mixed in, and the books balanced afterwards: ``make soak``."""
