"""The same question put to each peer: which rows of a table, and which columns of them.

A condition is (column, operator, value) with the operators `eq`, `gte`, `lt` and `in`; all of them must hold.
"""
