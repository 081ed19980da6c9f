//! Numbers of objects: the sequence number, exact over all of its 64 bits, and doubles.

use crate::Excerpt;
use crate::json::Node;

/// Digits of the greatest sequence number.
const SEQUENCE_DIGITS_MAX: usize = 19;

/// A sequence number, 0 to 2^63-1: an integer, an integral number in another notation (`1.0`, `1e3`), or
/// its decimal digits in a string. Exact: nothing goes through a double.
pub(super) fn sequence(node: &Node<'_>) -> Option<i64> {
    match node {
        Node::Text(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            from_parts(digits, "", 0)
        }
        Node::Number(number) => {
            let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            match whole.strip_prefix('-') {
                Some(whole) => from_parts(whole, fraction, power(exponent)).filter(|value| *value == 0),
                None => from_parts(whole, fraction, power(exponent)),
            }
        }
        _ => None,
    }
}

/// The exponent; one that does not fit is as good as the nearest that does.
fn power(text: &str) -> i64 {
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    // Far beyond any number of digits in a body, and far from the ends of the type.
    const LARGE: i64 = i64::MAX / 4;
    sign * digits.parse::<i64>().map_or(LARGE, |power| power.min(LARGE))
}

/// `whole.fraction` times ten to the `power`, where that is an integer that fits.
fn from_parts(whole: &str, fraction: &str, power: i64) -> Option<i64> {
    let digits = || whole.bytes().chain(fraction.bytes());
    let Some(first) = digits().position(|digit| digit != b'0') else {
        return Some(0);
    };
    let length = digits().count();
    let trailing_zeros = digits().rev().take_while(|digit| *digit == b'0').count();
    // Zeros that follow the last digit that counts; negative when that digit stands behind the point.
    let zeros = power
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(trailing_zeros).ok()?)?;
    let zeros = usize::try_from(zeros).ok()?;
    let counting = length - trailing_zeros - first;
    if counting.checked_add(zeros)? > SEQUENCE_DIGITS_MAX {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', zeros);
    digits()
        .skip(first)
        .take(counting)
        .chain(zeros)
        .try_fold(0_i64, |value, digit| {
            value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        })
}

/// A finite double by the shortest text that reads as the same double; nothing when it is not finite.
pub(super) fn double(number: &str) -> Option<String> {
    let value: f64 = number.parse().ok()?;
    value.is_finite().then(|| format!("{value:?}"))
}

/// A value as messages show it.
pub(super) fn shown(node: &Node<'_>) -> String {
    match node {
        Node::Text(text) => format!("{:?}", Excerpt(text)),
        Node::Number(number) => format!("{:?}", Excerpt(number)).replace('"', ""),
        other => other.kind().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_are_exact() {
        for (number, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0e5", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("1", Some(1)),
            ("1.0", Some(1)),
            ("1.50e1", Some(15)),
            ("1000e-3", Some(1)),
            ("12e+2", Some(1_200)),
            ("0.0001e4", Some(1)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775807.000", Some(i64::MAX)),
            ("922337203685477580.7E1", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e19", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("1e-9223372036854775808", None),
            ("-1", None),
            ("1.5", None),
            ("1e-1", None),
        ] {
            assert_eq!(sequence(&Node::Number(number)), expected, "{number}");
        }
        for (text, expected) in [
            ("1", Some(1)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            ("1.0", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1e3", None),
            ("NaN", None),
            ("١", None),
        ] {
            assert_eq!(sequence(&Node::Text(text.into())), expected, "{text}");
        }
        assert_eq!(sequence(&Node::Bool(true)), None);
        let long = format!("1{}e-1000000", "0".repeat(1_000_000));
        assert_eq!(sequence(&Node::Number(&long)), Some(1));
    }

    #[test]
    fn doubles_stay_the_same() {
        for (number, expected) in [
            ("1000000.0", Some("1000000.0")),
            ("1", Some("1.0")),
            ("-0", Some("-0.0")),
            ("-12.50", Some("-12.5")),
            ("1e308", Some("1e308")),
            ("4.9e-324", Some("5e-324")),
            ("1e-400", Some("0.0")),
            ("0.1", Some("0.1")),
            ("1e400", None),
            ("-1e400", None),
        ] {
            assert_eq!(double(number).as_deref(), expected, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_double_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let printed = double(&format!("{value:e}")).unwrap();
            prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(double(&printed), Some(printed.clone()));
            prop_assert!(crate::json::parse(printed.as_bytes()).is_ok());
        }

        #[test]
        fn any_notation_of_an_integer_is_that_integer(value in 0..=i64::MAX, shift in 0_usize..30) {
            let digits = value.to_string();
            let moved = format!("{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(sequence(&Node::Number(&moved)), Some(value));
            let split = shift.min(digits.len() - 1);
            let (whole, fraction) = digits.split_at(digits.len() - split);
            let moved = format!("{whole}.{fraction}0E+{split}");
            prop_assert_eq!(sequence(&Node::Number(&moved)), Some(value));
        }

        #[test]
        fn a_number_that_is_no_integer_is_refused(value in 0..1_000_000_i64, fraction in 1_u32..1_000) {
            let number = format!("{value}.{fraction:03}");
            prop_assert_eq!(sequence(&Node::Number(&number)), None);
        }
    }
}
