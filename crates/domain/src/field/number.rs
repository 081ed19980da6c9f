//! NUMBER values: which texts are numbers, and a key by which they sort.

/// A number of the form `^[+-]?\d+(\.\d+)?$` (docs/api.md, "Values"), in parts.
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (!whole.is_empty() && all_digits(whole) && all_digits(fraction)).then_some(Self {
            negative,
            whole,
            fraction,
        })
    }

    /// A text whose byte order is the order of the numbers, the same for `1`, `1.0`, `+1` and
    /// `01`. Positive numbers are `2`, the length of the whole part in three digits, and all
    /// digits without the zeros at the end; zero is `1`; negative ones are `0` and the same with
    /// every digit d as 9-d, closed by `~`, so that of two numbers with a common beginning the
    /// longer, being further from zero, sorts first.
    ///
    /// Exact for whole parts of up to 999 digits; longer ones are not stored and have no key.
    pub(super) fn key(&self) -> Option<String> {
        let whole = self.whole.trim_start_matches('0');
        let digits = format!("{whole}{}", self.fraction);
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some("1".to_owned());
        }
        if whole.len() > 999 {
            return None;
        }
        let magnitude = format!("{:03}{digits}", whole.len());
        if !self.negative {
            return Some(format!("2{magnitude}"));
        }
        let complement = magnitude.bytes().map(|digit| char::from(b'9' - (digit - b'0')));
        Some(
            std::iter::once('0')
                .chain(complement)
                .chain(std::iter::once('~'))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    fn key(text: &str) -> String {
        Decimal::parse(text).unwrap().key().unwrap()
    }

    #[test]
    fn reads_plain_decimals_only() {
        for number in [
            "0",
            "-0",
            "+1",
            "007",
            "12.5",
            "-0.0500",
            "99999999999999999999999999",
        ] {
            assert!(Decimal::parse(number).is_some(), "{number}");
        }
        for other in [
            "", "+", "-", ".5", "5.", "-.5", "1e3", "1,000", "1.2.3", "0x1", "--1", "1 ", "٣", "1.٣", "NaN",
            "é",
        ] {
            assert!(Decimal::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        for same in [
            &["1", "1.0", "+1", "01", "001.00"][..],
            &["0", "-0", "0.000", "+00"],
            &["-2.5", "-02.50"],
        ] {
            assert!(same.iter().all(|text| key(text) == key(same[0])), "{same:?}");
        }
    }

    #[test]
    fn keys_sort_as_numbers() {
        let ordered = [
            "-1000", "-100.5", "-100", "-99", "-9", "-1.01", "-1", "-0.5", "-0.05", "0", "0.049", "0.05",
            "0.5", "1", "1.01", "9", "10", "99", "100", "100.5", "1000",
        ];
        let keys: Vec<String> = ordered.iter().map(|text| key(text)).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
        assert!(Decimal::parse(&"9".repeat(1_000)).unwrap().key().is_none());
    }

    proptest! {
        #[test]
        fn key_order_is_numeric_order(
            left in (-2_000_000_i64..2_000_000, 0_u32..5, 0_usize..3),
            right in (-2_000_000_i64..2_000_000, 0_u32..5, 0_usize..3),
        ) {
            // n / 10^scale, printed with `zeros` of padding at both ends.
            let print = |(number, scale, zeros): (i64, u32, usize)| {
                let power = 10_i64.pow(scale);
                let (sign, number) = (if number < 0 { "-" } else { "" }, number.abs());
                let padding = "0".repeat(zeros);
                let fraction = format!("{:0width$}", number % power, width = scale as usize);
                match scale {
                    0 => format!("{sign}{padding}{number}"),
                    _ => format!("{sign}{padding}{}.{fraction}{padding}", number / power),
                }
            };
            let scaled = |(number, scale, _): (i64, u32, usize)| i128::from(number) * 10_i128.pow(5 - scale);
            let order: Ordering = scaled(left).cmp(&scaled(right));
            prop_assert_eq!(key(&print(left)).cmp(&key(&print(right))), order);
        }
    }
}
