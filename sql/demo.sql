-- The demo session: `make demo` runs it in the DuckDB shell, on a new store below build/demo.
--
-- Three instruments take a sample ("bin") a day on ten days of each season, 2023 to 2024; every image gets a position
-- and a class. All of it is made up by hash(), so that every run prints the same.

.mode duckbox
.maxrows 12
SET TimeZone = 'UTC';
LOAD 'build/quick/amplify.duckdb_extension';
SET amplify_root = 'build/demo';

.print
.print === Register three tables: a schema is a STRUCT or a column list
SELECT amplify_create_table('images', {
    image_id:   'VARCHAR NOT NULL',
    instrument: 'VARCHAR NOT NULL',
    year:       'INTEGER NOT NULL',
    month:      'INTEGER NOT NULL',
    timestamp:  'TIMESTAMPTZ NOT NULL',
    roi_width:  'INTEGER NOT NULL',
    roi_height: 'INTEGER NOT NULL',
    pmt_b_peak: 'DOUBLE'
}, ['instrument', 'year', 'month']) AS images;
SELECT amplify_create_table('geolocation_index', '
    image_id VARCHAR NOT NULL, instrument VARCHAR NOT NULL, year INTEGER NOT NULL,
    latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, depth DOUBLE', ['instrument', 'year']) AS geolocation_index;
SELECT amplify_create_table('classification_index', '
    image_id VARCHAR NOT NULL, class_name VARCHAR NOT NULL, score DOUBLE NOT NULL, model VARCHAR NOT NULL,
    scores MAP(VARCHAR, DOUBLE)', ['model', 'class_name']) AS classification_index;

-- What the instruments saw, in a table of the session.
CREATE TEMP TABLE seen AS
WITH bins AS (
    SELECT instrument, start + to_hours(6 + (hash(instrument, start) % 12)::INTEGER) AS start
    FROM (VALUES ('IFCB010'), ('IFCB107'), ('IFCB124')) instruments(instrument),
        unnest(generate_series(TIMESTAMP '2023-01-01', TIMESTAMP '2024-12-31', INTERVAL 1 DAY)) days(start)
    WHERE month(start) IN (1, 4, 7, 10) AND day(start) <= 10
),
rois AS (
    SELECT instrument, start, roi_number, hash(instrument, start, roi_number) AS h
    FROM bins, unnest(range(1, 60 + (hash(start, instrument) % 50)::BIGINT)) numbers(roi_number)
)
SELECT
    format('D{}_{}_{:05d}', strftime(start, '%Y%m%dT%H%M%S'), instrument, roi_number) AS image_id,
    instrument,
    year(start)::INTEGER AS year,
    month(start)::INTEGER AS month,
    (start + to_milliseconds(roi_number * 12000 + (h % 9000)::BIGINT)) AT TIME ZONE 'UTC' AS timestamp,
    (40 + 8 * (h % 40))::INTEGER AS roi_width,
    (24 + h // 1000 % 160)::INTEGER AS roi_height,
    round(0.01 + (h % 10007) / 5000, 5) AS pmt_b_peak,
    round(41.3 + (hash(instrument) % 200) / 100, 2) AS latitude,
    round(-70.6 + (hash(instrument, 1) % 300) / 100, 2) AS longitude,
    if(h % 23 = 0, NULL, round((h % 97) / 8, 1)) AS depth,
    ['Ceratium', 'Chaetoceros', 'Ciliate mix', 'Ditylum brightwellii', 'Guinardia', 'Mesodinium', 'detritus']
        [1 + (h // 7 % 7)::INTEGER] AS class_name,
    round(0.5 + (h % 5000) / 10000, 4) AS score
FROM rois;

.print
.print === Ingest: COPY streams, a column a registered column; a row as one STRUCT goes by name
COPY (SELECT image_id, instrument, year, month, timestamp, roi_width, roi_height, pmt_b_peak FROM seen)
TO 'amplify://images' (FORMAT amplify);
COPY (SELECT place FROM (SELECT depth, latitude, longitude, image_id, instrument, year FROM seen) place)
TO 'amplify://geolocation_index' (FORMAT amplify);
COPY (SELECT image_id, class_name, score, 'cnn-2024.1', MAP {class_name: score, 'other': round(1 - score, 4)} FROM seen)
TO 'amplify://classification_index' (FORMAT amplify);
SELECT amplify_write('images', [{
    image_id: 'D20240707T170000_IFCB107_00001', instrument: 'IFCB107', year: 2024, month: 7,
    timestamp: '2024-07-07 17:00:03.5', roi_width: 96, roi_height: 45}]) AS rows_written;

.print
.print === What there is: tables, a schema, files
FROM amplify_tables();
FROM amplify_schema('images');
SELECT instrument, year, month, row_count
FROM amplify_files('images', filters => {instrument: 'IFCB124', year: 2024}) ORDER BY month;

.print
.print === Read: filters prune directories, files and row groups
FROM amplify_read('images',
    columns => ['image_id', 'timestamp', 'roi_width', 'pmt_b_peak'],
    filters => {instrument: 'IFCB107', timestamp: {gte: '2024-07-07 16:19:00', lt: '2024-07-07 17:30:00'}})
ORDER BY timestamp;
SELECT instrument, year, count(*) AS images, round(avg(roi_width * roi_height)) AS mean_area
FROM 'amplify://images' GROUP BY ALL ORDER BY ALL;

.print
.print === Count, partitions, distinct
FROM amplify_count('images');
FROM amplify_count('classification_index', filters => {class_name: {'in': ['Ceratium', 'Mesodinium']}, score: {gte: 0.9}});
SELECT instrument, year, month, file_count
FROM amplify_partitions('images', filters => {year: 2024, month: {lte: 7}}) ORDER BY ALL;
FROM amplify_distinct('classification_index', ['model', 'class_name']) ORDER BY ALL;

.print
.print === Join: where and how deep the surest Mesodinium were seen
SELECT image_id, score, latitude, longitude, depth
FROM amplify_join('classification_index', 'geolocation_index', 'image_id',
    left_filters => {class_name: 'Mesodinium', score: {gt: 0.999}},
    right_filters => {depth: {is_null: false}})
ORDER BY score DESC, image_id LIMIT 5;

.print
.print The store is below build/demo: any engine that reads Hive-partitioned Parquet reads it.
