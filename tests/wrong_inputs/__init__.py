"""Wrong inputs, one table: what is wrong, and the error that people get for it.

A module for each kind of input lists `Wrong` records as `WRONG`; `test_table.py` runs every record. To add a
kind, write a module with such a list, and name it in `KINDS` there.
"""
