"""Sweeps: trials of many cells through Ray, on one machine or a cluster."""
