"""A strict runner for sqllogictest files in DuckDB's dialect, over the `duckdb` package from PyPI.

Strict: whatever the official runner would skip, ignore or leave unchecked fails here (an unknown directive, a missing
`require`, a record that never ran, an empty expected error), and so does what only we would accept. A file that passes
here is valid for the official runner.

    parse    text -> records
    session  databases and connections, the extension, results as DuckDB itself prints them
    compare  what a query answered against what the record expects
    execute  records -> calls, in loops and threads
    worker   one file in a process of its own
"""
