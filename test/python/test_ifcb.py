"""The recipe sql/ifcb_bins.sql on raw bins of real instruments.

They are not part of this repository: the tests look for them in ../shared/data/ifcb, or where AMPLIFY_IFCB_DATA says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = REPOSITORY / "sql" / "ifcb_bins.sql"
DATA = Path(os.environ.get("AMPLIFY_IFCB_DATA", REPOSITORY.parent / "shared" / "data" / "ifcb"))

NEW_BIN, OLD_BIN = "D20130526T095207_IFCB013", "IFCB5_2012_028_081515"


def ingest(con, directory: Path) -> None:
    con.execute("SET TimeZone = 'America/New_York'")  # what is UTC in the files must stay so
    con.execute(f"SET VARIABLE ifcb_dir = '{directory}'")
    con.execute(RECIPE.read_text())
    con.execute("SET TimeZone = 'UTC'")


@pytest.fixture
def ingested(con):
    """A session on a store with all of the bins."""
    if not any(DATA.glob("*.adc")):
        pytest.skip(f"there are no raw bins in {DATA}: name their directory in AMPLIFY_IFCB_DATA")
    ingest(con, DATA)
    return con


def test_counts_of_rois_with_a_size(ingested):
    counts = """SELECT bin_id, count(*), count(*) FILTER (roi_width > 0 AND roi_height > 0)
                FROM amplify_read('images') GROUP BY bin_id ORDER BY bin_id"""
    assert ingested.execute(counts).fetchall() == [(NEW_BIN, 118, 19), (OLD_BIN, 7, 6)]
    assert ingested.execute("FROM amplify_count('images', filters => {has_image: true})").fetchall() == [(25,)]


def test_the_image_of_the_readme_is_found(ingested):
    found = ingested.execute(f"""
        SELECT instrument, year, month, timestamp::VARCHAR, trigger_time::VARCHAR, roi_number, trigger_number,
               pmt_a_peak, pmt_d_peak
        FROM amplify_read('images', filters => {{image_id: '{NEW_BIN}_00002'}})""").fetchall()
    assert found == [("IFCB013", 2013, 5, "2013-05-26 09:52:07+00", "2013-05-26 09:52:19.61+00", 2, 2, 0.01061, 0.01064)]


def test_an_image_with_its_size(ingested):
    found = ingested.execute(f"""
        SELECT has_image, roi_x, roi_y, roi_width, roi_height, roi_start_byte
        FROM amplify_read('images', filters => {{instrument: 'IFCB013', image_id: '{NEW_BIN}_00011'}})""").fetchall()
    assert found == [(True, 1020, 561, 104, 66, 2992)]


def test_an_old_bin(ingested):
    """Its name counts days, its files have other columns, and one trigger may have two ROIs."""
    found = ingested.execute("""
        SELECT image_id, year, month, timestamp::VARCHAR, trigger_number, roi_x, roi_y, roi_width, roi_height,
               roi_start_byte, pmt_a_peak
        FROM amplify_read('images', filters => {instrument: 'IFCB5', trigger_number: 3}) ORDER BY image_id""").fetchall()
    assert found == [
        (f"{OLD_BIN}_00003", 2012, 1, "2012-01-28 08:15:15+00", 3, 210, 432, 180, 86, 36927, None),
        (f"{OLD_BIN}_00004", 2012, 1, "2012-01-28 08:15:15+00", 3, 360, 457, 113, 45, 52407, None),
    ]


def test_partitions(ingested):
    partitions = "SELECT instrument, year, month FROM amplify_partitions('images') ORDER BY ALL"
    assert ingested.execute(partitions).fetchall() == [("IFCB013", 2013, 5), ("IFCB5", 2012, 1)]


def test_metadata_of_bins(ingested):
    bins = """SELECT bin_id, instrument, timestamp::VARCHAR, run_type, run_time_seconds, temperature_celsius,
              humidity_percent, settings['SyringeSampleVolume'], settings['BinarizeThresh']
              FROM amplify_read('bins') ORDER BY timestamp"""
    assert ingested.execute(bins).fetchall() == [
        (OLD_BIN, "IFCB5", "2012-01-28 08:15:15+00", None, None, 11.4799732421875, 32.167437512207, None, "30"),
        (NEW_BIN, "IFCB013", "2013-05-26 09:52:07+00", "NORMAL", 1231.024861, 35.270397, 2.48685, "5.000000", None),
        ("D20150411T205456_IFCB012", "IFCB012", "2015-04-11 20:54:56+00", "NORMAL", 0.621083, 13.022987, -8.345542,
         "5.000000", None),
        ("IFCB5_2017_001_033645", "IFCB5", "2017-01-01 03:36:45+00", None, None, 13.3652795166016, 27.3622255981445,
         None, "30"),
    ]


def test_again_ingests_nothing_twice(ingested):
    ingest(ingested, DATA)
    assert ingested.execute("FROM amplify_count('images')").fetchall() == [(125,)]
    assert ingested.execute("FROM amplify_count('bins')").fetchall() == [(4,)]


def test_a_file_of_another_name_stops_the_recipe(con, tmp_path):
    (tmp_path / "notes.adc").write_text("1,2,3\n")
    (tmp_path / f"{NEW_BIN}.hdr").write_text("sampleTime: 2013-05-26T09:52:07Z\n")
    with pytest.raises(Exception, match="does not have the name of an IFCB bin: .*notes.adc"):
        ingest(con, tmp_path)
    assert con.execute("FROM amplify_count('images')").fetchall() == [(0,)]


def test_a_line_cut_short_is_refused(con, tmp_path):
    (tmp_path / f"{NEW_BIN}.adc").write_text("1,0.5,0.1\n")
    (tmp_path / f"{NEW_BIN}.hdr").write_text("sampleTime: 2013-05-26T09:52:07Z\n")
    with pytest.raises(Exception, match="has_image|roi_"):
        ingest(con, tmp_path)
    assert con.execute("FROM amplify_count('images')").fetchall() == [(0,)]
