//! Objects that name a key twice, which JSON readers pass over in silence: one of the two values would be lost.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads JSON values, one after the other, for no other purpose than to find a key that an object has twice.
///
/// # Errors
/// Where there is one, and where the text is no JSON.
pub(in crate::store) fn check_keys(text: &str) -> Result<(), serde_json::Error> {
    serde_json::Deserializer::from_str(text).into_iter::<Distinct>().try_for_each(|value| value.map(drop))
}

/// Any value whose objects have distinct keys.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checker)
    }
}

struct Checker;

impl<'de> Visitor<'de> for Checker {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_str<E>(self, _: &str) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_unit<E>(self) -> Result<Distinct, E> {
        Ok(Distinct)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Distinct, A::Error> {
        while items.next_element::<Distinct>()?.is_some() {}
        Ok(Distinct)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Distinct, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("key \"{key}\" is given twice")));
            }
            seen.insert(key);
            entries.next_value::<Distinct>()?;
        }
        Ok(Distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::check_keys;

    #[test]
    fn a_key_may_be_given_once_in_an_object() {
        for good in ["", "1 2.5 \"x\" null true", r#"{"a": {"a": [1, {"a": 12345678901234567890123}]}} {"a": 1}"#] {
            assert!(check_keys(good).is_ok(), "{good}");
        }
        let error = check_keys(r#"[{"b": 1}, {"a": {"b": 1, "c": 2, "b": 3}}]"#).unwrap_err().to_string();
        assert!(error.contains("key \"b\" is given twice"), "{error}");
        assert!(check_keys("{").is_err());
    }
}
