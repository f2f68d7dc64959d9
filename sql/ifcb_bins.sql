-- Raw bins of Imaging FlowCytobots -> the tables `images` and `bins`, in plain DuckDB SQL.
--
-- Before: LOAD amplify, SET amplify_root, and name the directory that holds the .adc and .hdr files. It is searched
-- with all that is below it, so that a day's or a month's directory of an archive can be given; whole files are held
-- in memory, so not all years at once.
--
--     SET VARIABLE ifcb_dir = '/data/ifcb/2013/D20130526';
--     .read sql/ifcb_bins.sql
--
-- Running it again ingests only bins that are not in the store yet.
--
-- What is what
--   bin         one sample. Its file name gives the instrument and the time the sample started, in UTC:
--               D20130526T095207_IFCB013 (new style), IFCB5_2012_028_081515 (old style: day 028 of 2012).
--   roi_number  the number of the line in the .adc file, from 1, over all lines: what every IFCB tool counts by.
--   image_id    <bin>_<roi_number, five digits>.
--   has_image   whether the line has an ROI with a size. One without is a trigger that left no image: it is kept, as
--               counts and rates need it. Filter by {has_image: true} for the images alone.
--   timestamp   the time of the bin. Year and month, by which the tables are partitioned, follow from it.
--   trigger_time  timestamp plus the seconds into the sample at which the line's trigger fired.
--   pmt_…       what photomultipliers A to D measured; old-style files have no such columns, hence NULL.

SELECT amplify_create_table('images', '
    image_id          VARCHAR     NOT NULL,
    bin_id            VARCHAR     NOT NULL,
    roi_number        INTEGER     NOT NULL,
    instrument        VARCHAR     NOT NULL,
    year              INTEGER     NOT NULL,
    month             INTEGER     NOT NULL,
    timestamp         TIMESTAMPTZ NOT NULL,
    trigger_number    INTEGER     NOT NULL,
    trigger_time      TIMESTAMPTZ NOT NULL,
    has_image         BOOLEAN     NOT NULL,
    roi_x             INTEGER     NOT NULL,
    roi_y             INTEGER     NOT NULL,
    roi_width         INTEGER     NOT NULL,
    roi_height        INTEGER     NOT NULL,
    roi_start_byte    BIGINT      NOT NULL,
    pmt_a_integrated  DOUBLE,
    pmt_b_integrated  DOUBLE,
    pmt_c_integrated  DOUBLE,
    pmt_d_integrated  DOUBLE,
    pmt_a_peak        DOUBLE,
    pmt_b_peak        DOUBLE,
    pmt_c_peak        DOUBLE,
    pmt_d_peak        DOUBLE', ['instrument', 'year', 'month']);

SELECT amplify_create_table('bins', '
    bin_id               VARCHAR     NOT NULL,
    instrument           VARCHAR     NOT NULL,
    year                 INTEGER     NOT NULL,
    timestamp            TIMESTAMPTZ NOT NULL,
    software             VARCHAR,
    run_type             VARCHAR,
    run_time_seconds     DOUBLE,
    inhibit_time_seconds DOUBLE,
    temperature_celsius  DOUBLE,
    humidity_percent     DOUBLE,
    settings             MAP(VARCHAR, VARCHAR)', ['instrument', 'year']);

-- Every .adc and .hdr file: what its name says, and its lines. A name that is no bin's stops the recipe.
CREATE OR REPLACE TEMP TABLE ifcb_files AS
WITH files AS (
    SELECT filename, parse_filename(filename, true) AS bin_id, 'adc' AS kind, content
    FROM read_text(getvariable('ifcb_dir') || '/**/*.adc')
    UNION ALL
    SELECT filename, parse_filename(filename, true), 'hdr', content
    FROM read_text(getvariable('ifcb_dir') || '/**/*.hdr')
),
named AS (
    SELECT *,
        CASE
            WHEN regexp_full_match(bin_id, 'D\d{8}T\d{6}_IFCB\d+') THEN 'new'
            WHEN regexp_full_match(bin_id, 'IFCB\d+_\d{4}_\d{3}_\d{6}') THEN 'old'
            ELSE error('This file does not have the name of an IFCB bin: ' || filename)
        END AS style
    FROM files
)
SELECT kind, bin_id, style,
    regexp_extract(bin_id, 'IFCB\d+') AS instrument,
    CASE style
        WHEN 'new' THEN strptime(regexp_extract(bin_id, '\d{8}T\d{6}'), '%Y%m%dT%H%M%S')
        ELSE strptime(regexp_extract(bin_id, '\d{4}_\d{3}_\d{6}'), '%Y_%j_%H%M%S')
    END AS utc,
    list_filter(list_transform(string_split(content, chr(10)), lambda line: rtrim(line, chr(13) || chr(9) || ' ')),
        lambda line: line <> '') AS lines
FROM named;

-- One row a line of the .adc files. Positions are the README's of the format, counted from 1.
CREATE OR REPLACE TEMP TABLE ifcb_images AS
WITH numbered AS (
    SELECT * EXCLUDE (lines), unnest(range(1, len(lines) + 1)) AS roi_number, unnest(lines) AS line
    FROM ifcb_files
    WHERE kind = 'adc'
),
fields AS (
    SELECT * EXCLUDE (line), string_split(line, ',') AS field, if(style = 'new', 14, 10) AS roi
    FROM numbered
)
SELECT
    format('{}_{:05d}', bin_id, roi_number) AS image_id,
    bin_id,
    roi_number::INTEGER AS roi_number,
    instrument,
    year(utc)::INTEGER AS year,
    month(utc)::INTEGER AS month,
    utc AT TIME ZONE 'UTC' AS timestamp,
    field[1]::INTEGER AS trigger_number,
    (utc + to_microseconds(round(field[2]::DOUBLE * 1e6)::BIGINT)) AT TIME ZONE 'UTC' AS trigger_time,
    field[roi + 2]::INTEGER > 0 AND field[roi + 3]::INTEGER > 0 AS has_image,
    field[roi]::INTEGER AS roi_x,
    field[roi + 1]::INTEGER AS roi_y,
    field[roi + 2]::INTEGER AS roi_width,
    field[roi + 3]::INTEGER AS roi_height,
    field[roi + 4]::BIGINT AS roi_start_byte,
    if(style = 'new', field[3], NULL)::DOUBLE AS pmt_a_integrated,
    if(style = 'new', field[4], NULL)::DOUBLE AS pmt_b_integrated,
    if(style = 'new', field[5], NULL)::DOUBLE AS pmt_c_integrated,
    if(style = 'new', field[6], NULL)::DOUBLE AS pmt_d_integrated,
    if(style = 'new', field[7], NULL)::DOUBLE AS pmt_a_peak,
    if(style = 'new', field[8], NULL)::DOUBLE AS pmt_b_peak,
    if(style = 'new', field[9], NULL)::DOUBLE AS pmt_c_peak,
    if(style = 'new', field[10], NULL)::DOUBLE AS pmt_d_peak
FROM fields;

-- One row a .hdr file. New style: lines `key: value`. Old style: quoted lines, the last two of which hold names,
-- separated by spaces, and their values, separated by commas.
CREATE OR REPLACE TEMP TABLE ifcb_bins AS
WITH entries AS (
    SELECT bin_id, position, regexp_extract(line, '^([^:]+): *(.*)$', ['key', 'value']) AS entry
    FROM (SELECT bin_id, unnest(range(1, len(lines) + 1)) AS position, unnest(lines) AS line
          FROM ifcb_files WHERE kind = 'hdr' AND style = 'new')
    UNION ALL
    SELECT bin_id, position, {key: trim(key, ' "'), value: trim(value, ' "')}
    FROM (SELECT bin_id, unnest(range(1, len(keys) + 1)) AS position, unnest(keys) AS key, unnest(values_) AS value
          FROM (SELECT bin_id, string_split(trim(lines[-2], ' "'), ' ') AS keys, string_split(lines[-1], ',') AS values_
                FROM ifcb_files WHERE kind = 'hdr' AND style = 'old'))
),
-- A key that a file repeats counts as it stands there first.
settings AS (
    SELECT bin_id, map(list(key ORDER BY position), list(value ORDER BY position)) AS settings
    FROM (SELECT bin_id, entry.key AS key, min(position) AS position, arg_min(entry.value, position) AS value
          FROM entries WHERE entry.key <> '' GROUP BY ALL)
    GROUP BY bin_id
)
SELECT
    bin_id,
    instrument,
    year(utc)::INTEGER AS year,
    utc AT TIME ZONE 'UTC' AS timestamp,
    coalesce(settings['softwareVersion'], trim(lines[1], '"')) AS software,
    settings['runType'] AS run_type,
    settings['runTime']::DOUBLE AS run_time_seconds,
    settings['inhibitTime']::DOUBLE AS inhibit_time_seconds,
    coalesce(settings['temperature'], settings['Temp'])::DOUBLE AS temperature_celsius,
    coalesce(settings['humidity'], settings['Humidity'])::DOUBLE AS humidity_percent,
    settings
FROM ifcb_files LEFT JOIN settings USING (bin_id)
WHERE kind = 'hdr';

-- A row as one STRUCT is written by the names of its fields.
COPY (
    SELECT record FROM ifcb_images AS record
    WHERE bin_id NOT IN (SELECT bin_id FROM amplify_distinct('images', ['bin_id']))
    ORDER BY bin_id, roi_number
) TO 'amplify://images' (FORMAT amplify);

COPY (
    SELECT record FROM ifcb_bins AS record
    WHERE bin_id NOT IN (SELECT bin_id FROM amplify_distinct('bins', ['bin_id']))
    ORDER BY bin_id
) TO 'amplify://bins' (FORMAT amplify);

DROP TABLE ifcb_files;
DROP TABLE ifcb_images;
DROP TABLE ifcb_bins;
