//! Row groups of which all rows are wanted, in every form that Parquet gives their pages.

use arrow::array::{Int64Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow::compute::cast;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterVersion;

use super::network::ACCESS;
use super::*;

const ROWS: usize = 5_000;

/// Numbers, text of few and of many values, nothing but NULLs, and lists of structs, each with NULLs here and there.
fn rows() -> RecordBatch {
    let fields = vec![
        Field::new("n", DataType::Int64, true),
        Field::new("words", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
    ];
    let words = ListBuilder::new(StringBuilder::new());
    let item = StructBuilder::new(fields, vec![Box::new(Int64Builder::new()), Box::new(words)]);
    let mut nested = ListBuilder::new(item);
    for row in 0..ROWS {
        for n in 0..row % 4 {
            let item = nested.values();
            item.field_builder::<Int64Builder>(0).unwrap().append_option((n != 1).then_some(row as i64));
            let words = item.field_builder::<ListBuilder<StringBuilder>>(1).unwrap();
            if n == 2 {
                words.append_null();
            } else {
                words.append_value([Some(format!("word {row}")), None]);
            }
            item.append(row % 11 != 0);
        }
        nested.append(row % 5 != 0);
    }
    let text = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new((0..ROWS).map(value).collect::<arrow::array::StringArray>())
    };
    batch(vec![
        ("n", Arc::new((0..ROWS).map(|row| (row % 3 != 0).then_some(row as i64)).collect::<Int64Array>())),
        ("few", text(&|row| (row % 7 != 0).then(|| format!("class {}", row % 5)))),
        ("many", text(&|row| Some(format!("image {row}")))),
        ("null", text(&|_| None)),
        ("nested", Arc::new(nested.finish())),
    ])
}

#[test]
fn all_rows_come_back_whatever_the_codec_the_pages_and_the_distance() {
    let rows = rows();
    let types: Vec<(&str, DataType)> =
        rows.schema_ref().fields().iter().map(|field| (field.name().as_str(), field.data_type().clone())).collect();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::try_new(1).unwrap()),
        Compression::ZSTD(ZstdLevel::try_new(19).unwrap()),
    ];
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let properties = properties()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary)
                    .set_data_page_row_count_limit(700)
                    .set_write_batch_size(100)
                    .set_max_row_group_row_count(Some(3_000));
                let mut store = Store::new(&types);
                store.add(file(&rows, properties)).add(file(&rows.slice(0, 0), self::properties()));
                for threads in [1, 4] {
                    check(&store, threads, &rows);
                }
                store.far_away(ACCESS, Duration::ZERO);
                check(&store, 2, &rows);
            }
        }
    }
}

fn check(store: &Store, threads: usize, rows: &RecordBatch) {
    let read = store.read("{}", &[0, 1, 2, 3, 4], threads).unwrap();
    for (column, expected) in read.columns().iter().zip(rows.columns()) {
        assert_eq!(&cast(column, expected.data_type()).unwrap(), expected);
    }
}
