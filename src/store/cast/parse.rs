//! Text -> numbers and booleans. White space around a value does not matter.

/// `value × 10^scale` of a decimal number (`1.50`, `-2e3`, `.5`), or `None` where the text is no number, digits would
/// be lost, or it does not fit.
pub(super) fn decimal(text: &str, scale: u8) -> Option<i128> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Zeros at the end wait until a digit follows: they are part of the exponent else.
    let mut value = 0i128;
    let mut zeros = 0u32;
    for digit in digits() {
        if digit == b'0' {
            zeros += u32::from(value != 0);
        } else {
            value = value.checked_mul(10i128.checked_pow(zeros + 1)?)?.checked_add(i128::from(digit - b'0'))?;
            zeros = 0;
        }
    }
    if value == 0 {
        return Some(0);
    }
    let shift = i64::from(exponent) + i64::from(scale) + i64::from(zeros) - i64::try_from(fraction.len()).ok()?;
    let value = value.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    Some(if negative { -value } else { value })
}

/// The nearest float, as `FromStr` finds it; a number too large for it is none.
pub(super) fn float<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    let text = text.trim();
    let value: T = text.parse().ok()?;
    let overflow = value.into().is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
    (!overflow).then_some(value)
}

/// What DuckDB reads as BOOLEAN.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    if is_one_of(&["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else {
        is_one_of(&["false", "f", "no", "n", "0"]).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_decimals_exactly() {
        for (text, scale, value) in [
            ("2024", 0, 2024),
            (" 2024.0 ", 0, 2024),
            ("2e3", 0, 2000),
            ("2E+3", 0, 2000),
            ("-1.50", 2, -150),
            ("+.5", 1, 5),
            ("5.", 0, 5),
            ("1200e-2", 0, 12),
            ("0e99999", 0, 0),
            ("0.000000000000000000000000000000000000000000000", 0, 0),
            ("100000000000000000000000000000000000000000000e-44", 0, 1),
            ("99999999999999999999999999999999999999", 0, 99_999_999_999_999_999_999_999_999_999_999_999_999),
        ] {
            assert_eq!(decimal(text, scale), Some(value), "{text}");
        }
        for text in ["", " ", "-", ".", "e5", "1e", "1.5", "1 2", "0x10", "--1", "1e5.0", "1_000", "nan", "1e39", "٣"]
        {
            assert_eq!(decimal(text, 0), None, "{text}");
        }
    }

    #[test]
    fn a_number_too_large_is_no_infinity() {
        assert_eq!(float::<f64>("1e400"), None);
        assert_eq!(float::<f32>("1e39"), None);
        assert_eq!(float::<f32>(" -Infinity "), Some(f32::NEG_INFINITY));
        assert_eq!(float::<f64>("1e-400"), Some(0.0));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+0-9.eE ]{0,12}|\\PC*", scale in 0u8..=38) {
            decimal(&text, scale);
            float::<f64>(&text);
            boolean(&text);
        }

        #[test]
        fn any_integer_comes_back(value in -(10i128.pow(38))..10i128.pow(38)) {
            prop_assert_eq!(decimal(&value.to_string(), 0), Some(value));
            prop_assert_eq!(decimal(&format!("{value}e-7"), 7), Some(value));
        }
    }
}
