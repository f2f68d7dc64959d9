//! Files that are no whole Parquet files.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterVersion;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

fn good(from: i64) -> Bytes {
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from_iter_values((0..500).map(|n| format!("text {n}"))));
    let columns = batch(vec![("a", ints(from..from + 500)), ("s", text)]);
    file(&columns, properties().set_max_row_group_row_count(Some(100)).set_bloom_filter_enabled(true))
}

fn store(files: Vec<Bytes>) -> Store {
    let mut store = Store::new(&[("a", DataType::Int64), ("s", DataType::Utf8)]);
    for bytes in files {
        store.add(bytes);
    }
    store
}

#[test]
fn a_damaged_file_is_named() {
    let whole = good(0);
    let cut = |length: usize| whole.slice(..length);
    let mut garbled = whole.to_vec();
    let footer = garbled.len() - 200;
    garbled[footer..footer + 150].fill(0xff);
    for damaged in
        [cut(whole.len() / 2), cut(whole.len() - 1), cut(4), cut(9), Bytes::from(garbled), "PAR1PAR1PAR1".into()]
    {
        let store = store(vec![damaged]);
        for json in ["{}", r#"{"a": {"gt": 30}}"#] {
            for result in [store.read(json, &[0, 1], 2).map(drop), store.count(json).map(drop)] {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert!(error.to_string().contains("\"mem/t/0000.parquet\""), "{error}");
            }
        }
        let error = file_row_count(&store.storage(), &store.files[0].meta).unwrap_err();
        assert!(error.to_string().contains("\"mem/t/0000.parquet\""), "{error}");
    }
}

#[test]
fn a_page_of_another_size_than_its_header_says_is_damage_whatever_is_read() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = properties().set_compression(zstd).set_writer_version(version);
        let properties = properties.set_dictionary_enabled(false).set_encoding(Encoding::PLAIN).build();
        let mut bytes = Vec::new();
        let rows = batch(vec![("a", ints(0..500))]);
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        let page = writer.close().unwrap().row_group(0).column(0).data_page_offset() as usize;
        let mut store = Store::new(&[("a", DataType::Int64)]);
        store.add(bytes.clone());
        assert_eq!(store.read("{}", &[0], 1).unwrap().num_rows(), 500);

        let mut store = Store::new(&[("a", DataType::Int64)]);
        // Field 1, the kind; field 2, the size: one more than it was.
        assert_eq!((bytes[page], bytes[page + 2]), (0x15, 0x15));
        bytes[page + 3] ^= 2;
        store.add(bytes);
        for json in ["{}", r#"{"a": {"gt": 30}}"#] {
            let error = store.read(json, &[0], 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains("\"mem/t/0000.parquet\""), "{error}");
        }
    }
}

#[test]
fn a_file_without_rows_gives_nothing() {
    let empty = file(&batch(vec![("a", ints([]))]), properties());
    let store = store(vec![empty.clone(), good(0), empty]);
    assert_eq!(store.read("{}", &[0], 2).unwrap().num_rows(), 500);
    assert_eq!(store.count("{}").unwrap(), 500);
}

#[test]
fn an_error_comes_once_and_after_the_rows_before_it() {
    let store = store(vec![good(0), good(500), good(1000).slice(..3000), good(1500)]);
    for threads in [1, 2, 4] {
        let scan = store.scan("{}", &[0], threads);
        let mut consumer = scan.consumer();
        let mut rows = Vec::new();
        let error = loop {
            match consumer.next() {
                Ok(Some(batch)) => rows.extend(int_values(&batch.batch, 0).into_iter().flatten()),
                Ok(None) => panic!("no error"),
                Err(error) => break error,
            }
        };
        assert_eq!(rows, (0..1000).collect::<Vec<i64>>());
        assert!(error.to_string().contains("mem/t/0002.parquet"), "{error}");
        assert!(consumer.next().unwrap().is_none());
        assert!(scan.consumer().next().unwrap().is_none());
    }
}

#[test]
fn of_several_consumers_one_gets_the_error() {
    let store = store((0..20).map(|n| if n == 10 { good(0).slice(..3000) } else { good(0) }).collect());
    let scan = store.scan("{}", &[0], 4);
    let results: Vec<Result<Vec<ScanBatch>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| drain(&mut scan.consumer()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

#[test]
fn a_file_that_is_gone_is_named() {
    let mut store = store(vec![good(0)]);
    store.files[0].meta.path = "t/gone.parquet".to_owned();
    let error = store.read("{}", &[0], 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("mem/t/gone.parquet"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is wrong with a file, the scan ends, and what it says names the file.
    #[test]
    fn flipped_bytes_end_in_rows_or_in_an_error(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        at_the_end in any::<bool>(),
        json in prop_oneof![Just("{}"), Just(r#"{"a": 77, "s": {"gte": "text 3"}}"#)],
    ) {
        let mut bytes = good(0).to_vec();
        let start = if at_the_end { bytes.len() - 1500 } else { 0 };
        let span = bytes.len() - start;
        for (at, value) in flips {
            bytes[start + at.index(span)] = value;
        }
        let mut store = store(vec![bytes.into()]);
        for (threads, far) in [(1, false), (2, false), (2, true)] {
            if far {
                store.far_away(network::ACCESS, Duration::ZERO);
            }
            let scan = store.scan(json, &[0, 1], threads);
            if let Err(error) = drain(&mut scan.consumer()) {
                prop_assert!(error.to_string().contains("mem/t/0000.parquet"), "{}", error);
            }
        }
    }
}
