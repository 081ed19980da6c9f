//! Instants as objects carry them: RFC 3339 date-times, written back in UTC by milliseconds.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// The instant as `YYYY-MM-DDTHH:MM:SS.sssZ`, cut after the milliseconds; nothing when the text is no RFC
/// 3339 date-time with an offset. A leap second is the last millisecond before its end, since UTC
/// elsewhere knows none.
pub(super) fn canonical(text: &str) -> Option<String> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4)?;
    rest.byte(b'-')?;
    let month = rest.number(2)?;
    rest.byte(b'-')?;
    let day = rest.number(2)?;
    rest.either(b'T', b't')?;
    let hour = rest.number(2)?;
    rest.byte(b':')?;
    let minute = rest.number(2)?;
    rest.byte(b':')?;
    let second = rest.number(2)?;
    let mut milliseconds = rest.milliseconds()?;
    let offset = rest.offset_in_minutes()?;
    let is_leap = second == 60;
    if is_leap {
        milliseconds = 999;
    }
    let [month, day, hour, minute, second] = [
        month,
        day,
        hour,
        minute,
        second.min(if is_leap { 59 } else { 99 }),
    ]
    .map(i8::try_from);
    let local = DateTime::new(
        i16::try_from(year).ok()?,
        month.ok()?,
        day.ok()?,
        hour.ok()?,
        minute.ok()?,
        second.ok()?,
        0,
    )
    .ok()?;
    let utc = local
        .checked_sub(SignedDuration::from_secs(i64::from(offset) * 60))
        .ok()?;
    if !(0..=9999).contains(&utc.year()) || (is_leap && (utc.hour(), utc.minute()) != (23, 59)) {
        return None;
    }
    let mut out = String::with_capacity("YYYY-MM-DDTHH:MM:SS.sssZ".len());
    digits(&mut out, utc.year().unsigned_abs(), 4);
    for (before, part) in [
        ('-', utc.month()),
        ('-', utc.day()),
        ('T', utc.hour()),
        (':', utc.minute()),
        (':', utc.second()),
    ] {
        out.push(before);
        digits(&mut out, u16::from(part.unsigned_abs()), 2);
    }
    out.push('.');
    digits(&mut out, milliseconds, 3);
    out.push('Z');
    Some(out)
}

/// The last decimal digits of a number, so many.
fn digits(out: &mut String, number: u16, count: u32) {
    for place in (0..count).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

/// What of the text is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn either(&mut self, upper: u8, lower: u8) -> Option<()> {
        let byte = self.next()?;
        (byte == upper || byte == lower).then_some(())
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<u16> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + u16::from(digit(self.next()?)?);
        }
        Some(number)
    }

    /// A point and one to nine digits, or nothing.
    fn milliseconds(&mut self) -> Option<u16> {
        let Some((b'.', rest)) = self.0.split_first() else {
            return Some(0);
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = rest.split_at(digits);
        self.0 = rest;
        let milliseconds = [100_u16, 10, 1]
            .into_iter()
            .zip(fraction)
            .map(|(weight, byte)| weight * u16::from(byte - b'0'))
            .sum();
        (1..=9).contains(&digits).then_some(milliseconds)
    }

    /// `Z`, or a sign, hours and minutes; and then the end.
    fn offset_in_minutes(&mut self) -> Option<i16> {
        let sign = match self.next()? {
            b'Z' | b'z' => return self.0.is_empty().then_some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = i16::try_from(self.number(2)?).ok()?;
        self.byte(b':')?;
        let minutes = i16::try_from(self.number(2)?).ok()?;
        (hours < 24 && minutes < 60 && self.0.is_empty()).then_some(sign * (hours * 60 + minutes))
    }
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_rfc_3339_is_read() {
        for (text, expected) in [
            ("2024-04-16T09:31:32+00:00", "2024-04-16T09:31:32.000Z"),
            ("2024-07-09T14:27:37.000Z", "2024-07-09T14:27:37.000Z"),
            ("2023-05-01T05:00:45Z", "2023-05-01T05:00:45.000Z"),
            ("2023-05-01t05:00:45z", "2023-05-01T05:00:45.000Z"),
            ("2023-05-01T05:00:45.9Z", "2023-05-01T05:00:45.900Z"),
            ("2023-05-01T05:00:45.123999999Z", "2023-05-01T05:00:45.123Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00.000Z"),
            ("2024-01-01T00:00:00+23:59", "2023-12-31T00:01:00.000Z"),
            ("2024-01-01T00:00:00-00:00", "2024-01-01T00:00:00.000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2017-01-01T05:29:60.5+05:30", "2016-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2024-04-16",
            "2024-04-16T09:31:32",
            "2024-04-16 09:31:32Z",
            "2024-04-16T09:31Z",
            "2024-04-16T09:31:32.Z",
            "2024-04-16T09:31:32.1234567890Z",
            "2024-04-16T09:31:32,5Z",
            "2024-04-16T09:31:32+0000",
            "2024-04-16T09:31:32+00",
            "2024-04-16T09:31:32+24:00",
            "2024-04-16T09:31:32+00:60",
            "2024-04-16T09:31:32Zz",
            "2024-04-16T09:31:32+00:00 ",
            " 2024-04-16T09:31:32Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T12:00:99Z",
            "+2024-01-01T00:00:00Z",
            "12024-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1713259892000",
            "２０２４-01-01T00:00:00Z",
            "2024-01-01T00:00:00\u{2212}01:00",
            "NaN",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][012][0-9]:[0-5][0-9])") {
            if let Some(instant) = canonical(&text) {
                prop_assert_eq!(canonical(&instant), Some(instant));
            }
        }

        #[test]
        fn agrees_with_a_library(seconds in -62_167_219_200_i64..253_402_207_200, milliseconds in 0_i64..1_000) {
            let instant = jiff::Timestamp::from_millisecond(seconds * 1_000 + milliseconds).unwrap();
            let mut expected = instant.to_string();
            prop_assert!(expected.ends_with('Z'));
            expected.truncate(19);
            let printed = canonical(&instant.to_string()).unwrap();
            prop_assert_eq!(printed, format!("{expected}.{milliseconds:03}Z"));
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = canonical(&text);
        }
    }
}
