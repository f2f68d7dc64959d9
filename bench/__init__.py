"""The benchmark: how long amplify takes and how much memory it needs, as ratios to its peers in the same run.

    parameters   what a run is given: rows, repeats, threads, memory limit, seed
    dataset/     the stores that are read and the rows that are written; seeded, cached below build/bench
    peers/       the same question put to amplify, DuckDB, the Python library's way, pyarrow and Polars
    comparison   one line of the report: the ways to do one thing, and the target
    workloads/   all comparisons, in groups; a group runs in one process of its own
    measure      times the ways in turn, checks that their answers are equal, and takes peaks of memory
    worker       one group on one DuckDB
    __main__     all groups on all DuckDB versions, then the report
    report/      JSON, Markdown and plots
"""
