"""What the gateway costs beside HAProxy and beside nothing at all: ``make bench``."""
