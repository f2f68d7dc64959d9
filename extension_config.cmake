# Read by DuckDB's own build when amplify is one of the extensions it is configured with:
#
#     make EXTENSION_CONFIGS=<this repository>/extension_config.cmake
#
# What it does: it names amplify to that build, and adds test/sql to the files that DuckDB's `unittest` knows.
#
# What it does not do: compile or link anything. amplify is a Rust library over the stable C extension API, so there is
# no C++ to link into DuckDB, and one binary serves every DuckDB from 1.5.6 on: build it here, with `make release`, and
# LOAD build/release/amplify.duckdb_extension. A `unittest` that does not have amplify skips the files that
# `require amplify`; `make test` runs them all, and takes a skipped one for a failure.
duckdb_extension_load(amplify
    DONT_LINK
    DONT_BUILD
    LOAD_TESTS
    SOURCE_DIR ${CMAKE_CURRENT_LIST_DIR}
    TEST_DIR ${CMAKE_CURRENT_LIST_DIR}/test/sql
)
