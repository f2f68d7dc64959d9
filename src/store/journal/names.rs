//! What the journal's files are called.

use crate::store::table::TableName;

/// Digits of a sequence number in a file name: names sort as numbers do.
const SEQ_DIGITS: usize = 20;
/// Digits of a txid: a UUID without dashes.
const TXID_DIGITS: usize = 32;

/// `_registry/journal/<table>`
pub fn journal_dir(table: &TableName) -> String {
    format!("_registry/journal/{table}")
}

/// `…/commits`
pub fn commits_dir(table: &TableName) -> String {
    format!("{}/commits", journal_dir(table))
}

/// `…/pending`
pub fn pending_dir(table: &TableName) -> String {
    format!("{}/pending", journal_dir(table))
}

/// `…/void`
pub fn void_dir(table: &TableName) -> String {
    format!("{}/void", journal_dir(table))
}

/// `…/batches`
pub fn batches_dir(table: &TableName) -> String {
    format!("{}/batches", journal_dir(table))
}

/// `_registry/trash/<table>`
pub fn trash_dir(table: &TableName) -> String {
    format!("_registry/trash/{table}")
}

/// `…/commits/<seq>.json`
pub fn commit_path(table: &TableName, seq: u64) -> String {
    format!("{}/{}", commits_dir(table), commit(seq))
}

/// `<seq>.json`
pub fn commit(seq: u64) -> String {
    format!("{seq:0SEQ_DIGITS$}.json")
}

/// `…/pending/<floor>-<txid>.json`
pub fn pending_path(table: &TableName, floor: u64, txid: &str) -> String {
    format!("{}/{floor:0SEQ_DIGITS$}-{txid}.json", pending_dir(table))
}

/// `…/void/<txid>`
pub fn void_path(table: &TableName, txid: &str) -> String {
    format!("{}/{txid}", void_dir(table))
}

/// `_registry/trash/<table>/<seq>`
pub fn trash_seq_dir(table: &TableName, seq: u64) -> String {
    format!("{}/{seq}", trash_dir(table))
}

/// Where the overwrite `seq` moves a file that it replaces; `below` is the path below the table's directory.
pub fn trash_path(table: &TableName, seq: u64, below: &str) -> String {
    format!("{}/{below}", trash_seq_dir(table, seq))
}

/// `c<base>-<txid>-<n>.parquet`
pub fn data_file(base: u64, txid: &str, number: u64) -> String {
    format!("c{base}-{txid}-{number}.parquet")
}

/// The sequence number of a file in `commits`.
pub fn parse_commit(name: &str) -> Option<u64> {
    name.strip_suffix(".json").and_then(parse_seq)
}

/// Floor and txid of a file in `pending`.
pub fn parse_pending(name: &str) -> Option<(u64, &str)> {
    let (floor, txid) = name.strip_suffix(".json")?.split_once('-')?;
    Some((parse_seq(floor)?, parse_txid(txid)?))
}

/// Base and txid of a data file written by us, or `None`: a foreign one.
pub fn parse_data_file(name: &str) -> Option<(u64, &str)> {
    let (base, rest) = name.strip_prefix('c')?.split_once('-')?;
    let (txid, number) = rest.split_once('-')?;
    let number = number.strip_suffix(".parquet")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(base) && digits(number)).then_some(())?;
    Some((base.parse().ok()?, parse_txid(txid)?))
}

fn parse_seq(text: &str) -> Option<u64> {
    (text.len() == SEQ_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn parse_txid(text: &str) -> Option<&str> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == TXID_DIGITS && text.bytes().all(hexadecimal)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TXID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn names_are_read_back() {
        let table = TableName::parse("images").unwrap();
        let name = |path: String| path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(parse_commit(&name(commit_path(&table, 42))), Some(42));
        assert_eq!(parse_commit("00000000000000000042.json"), Some(42));
        assert_eq!(parse_pending(&name(pending_path(&table, 7, TXID))), Some((7, TXID)));
        assert_eq!(parse_data_file(&data_file(9, TXID, 3)), Some((9, TXID)));
    }

    #[test]
    fn other_names_are_foreign() {
        for name in
            ["part-0.parquet", "c1-abc-0.parquet", "cx-0123-0.parquet", "c-0.parquet", "0123456789abcdef-0.parquet"]
        {
            assert_eq!(parse_data_file(name), None, "{name}");
        }
        assert_eq!(parse_commit("42.json"), None);
        assert_eq!(parse_commit("0000000000000000004x.json"), None);
    }
}
