//! Files that are too large for one request, and many that are written at once.

use std::io::Write;

use super::{on_every_root, pattern};

/// Three parts, the last of them a short one.
const LARGE_BYTES: usize = (20 << 20) + 12345;

#[test]
fn a_large_file_is_whole_however_it_is_written() {
    on_every_root(|root| {
        let bytes = pattern(LARGE_BYTES);
        for (name, step) in [("at once", LARGE_BYTES), ("in steps", 700_001)] {
            let mut file = root.storage.create(name).unwrap();
            for (number, part) in bytes.chunks(step).enumerate() {
                file.write_all(part).unwrap();
                if number % 3 == 0 {
                    file.flush().unwrap();
                }
            }
            assert_eq!(root.read(name), None);
            let meta = file.finish().unwrap();
            assert_eq!(meta.size, LARGE_BYTES as u64);
            assert!(root.read(name).unwrap() == bytes, "{name}");
            let middle = 8_300_000..8_500_000u64;
            let answer = root.storage.read_ranges(name, std::slice::from_ref(&middle)).unwrap();
            assert!(answer[0] == bytes[middle.start as usize..middle.end as usize]);
        }
        let names = root.storage.list_dir("").unwrap().files;
        assert_eq!(names.iter().map(|file| file.size).collect::<Vec<_>>(), [LARGE_BYTES as u64; 2]);
        // Moved by the store.
        root.storage.rename("at once", "moved/large").unwrap();
        assert!(root.read("moved/large").unwrap() == bytes);
    });
}

#[test]
fn a_large_file_that_is_dropped_leaves_nothing() {
    on_every_root(|root| {
        let mut file = root.storage.create("dropped").unwrap();
        file.write_all(&pattern(LARGE_BYTES)).unwrap();
        drop(file);
        assert_eq!(root.tree(""), Vec::<String>::new());
    });
}

#[test]
fn many_files_are_written_in_turn() {
    on_every_root(|root| {
        let mut files: Vec<_> = (0..60).map(|number| root.storage.create(&format!("t/{number:02}")).unwrap()).collect();
        for round in 0..4u8 {
            for (number, file) in files.iter_mut().enumerate() {
                file.write_all(&vec![number as u8 ^ round; 100_000 + number]).unwrap();
                file.flush().unwrap();
            }
        }
        for file in files {
            file.finish().unwrap();
        }
        for number in 0..60usize {
            let expected: Vec<u8> = (0..4u8).flat_map(|round| vec![number as u8 ^ round; 100_000 + number]).collect();
            assert!(root.read(&format!("t/{number:02}")).unwrap() == expected, "{number}");
        }
    });
}
