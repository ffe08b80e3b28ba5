"""The native core again, in plain Python: the oracle of the tests."""
