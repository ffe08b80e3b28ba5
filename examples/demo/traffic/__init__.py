"""Simulated customers of the shop, and three attackers."""
