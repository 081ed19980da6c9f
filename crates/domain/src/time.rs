//! Instants, and where time and chance come from. The domain never asks the machine: whoever
//! starts the server hands in a [`Clock`] and a [`Random`], and tests hand in their own.

use std::time::Duration;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// RFC 3339 in UTC by whole seconds, rounded down: `2026-11-22T10:11:12Z`. Instants outside of
    /// the calendar's years (-9999 to 9999) print as its first or last second.
    pub fn to_rfc3339(self) -> String {
        let seconds = self.0.div_euclid(1_000);
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let nearest = if seconds < 0 { first } else { last };
        // Whole seconds, so that it prints without a fraction.
        let whole =
            |instant: jiff::Timestamp| jiff::Timestamp::from_second(instant.as_second()).unwrap_or(instant);
        jiff::Timestamp::from_second(seconds)
            .unwrap_or_else(|_| whole(nearest))
            .to_string()
    }

    /// The instant `duration` later, by whole milliseconds; stays at the end of time rather than
    /// wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; nothing when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier {
            Duration::ZERO
        } else {
            Duration::from_millis(self.0.abs_diff(earlier.0))
        }
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. May be set back by the machine's owner.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant, such as the start of the process; never goes back.
    fn monotonic(&self) -> Duration;
}

/// A source of randomness that nobody can guess.
pub trait Random: Send + Sync + 'static {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_whole_seconds_in_utc() {
        for (millis, printed) in [
            (0, "1970-01-01T00:00:00Z"),
            (999, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_795_342_272_345, "2026-11-22T10:11:12Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(millis).to_rfc3339(), printed);
        }
        assert!(Timestamp(i64::MAX).to_rfc3339().starts_with("9999-12-"));
        assert!(Timestamp(i64::MIN).to_rfc3339().starts_with("-009999-01-"));
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Timestamp(5).plus(day), Timestamp(86_400_005));
        assert_eq!(Timestamp(5).plus(day).since(Timestamp(5)), day);
        assert_eq!(Timestamp(5).since(Timestamp(6)), Duration::ZERO);
        assert_eq!(Timestamp(1).plus(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(
            Timestamp(i64::MAX).since(Timestamp(i64::MIN)),
            Duration::from_millis(u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn any_instant_prints(millis in any::<i64>()) {
            let printed = Timestamp(millis).to_rfc3339();
            prop_assert!(printed.ends_with('Z') && !printed.contains('.'), "{printed}");
        }

        #[test]
        fn prints_in_order(left in 0..253_370_764_800_000_i64, right in 0..253_370_764_800_000_i64) {
            let (left, right) = (Timestamp(left), Timestamp(right));
            prop_assert!((left > right) || left.to_rfc3339() <= right.to_rfc3339());
        }
    }
}
