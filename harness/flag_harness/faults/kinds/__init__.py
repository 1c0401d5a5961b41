"""The kinds of faults, with one module for each family: errors, stalls, cuts and so on.

A new kind is a function under `@fault_kind` in one of them; a new family is registered in `faults/table.py`.
"""
