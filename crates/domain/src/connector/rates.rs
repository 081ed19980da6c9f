//! How much a connector may do in a minute. The vendor limits it; a site of its own need not, so nothing is
//! limited unless a setting says so.

use std::time::Duration;

use crate::limits::{OBJECTS_MAX, RATE_MAX, RATES_OF_VENDOR};
use crate::text;

/// What is counted, by the vendor's names of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum Counted {
    SetObjects,
    /// Objects that are set with `operationType` `BACKFILL`, which are counted apart.
    SetObjectsBackfill,
    GetObject,
    DeleteObjects,
    DeleteObjectsByProperties,
    SetUsers,
    GetUser,
    DeleteUsers,
    MapUsers,
    SetGroups,
    GetGroup,
    DeleteGroups,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::SetObjects,
        Self::SetObjectsBackfill,
        Self::GetObject,
        Self::DeleteObjects,
        Self::DeleteObjectsByProperties,
        Self::SetUsers,
        Self::GetUser,
        Self::DeleteUsers,
        Self::MapUsers,
        Self::SetGroups,
        Self::GetGroup,
        Self::DeleteGroups,
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SetObjects => "setObjects",
            Self::SetObjectsBackfill => "setObjectsBackfill",
            Self::GetObject => "getObjectByExternalId",
            Self::DeleteObjects => "deleteObjectsByExternalId",
            Self::DeleteObjectsByProperties => "deleteObjectsByProperties",
            Self::SetUsers => "setUsers",
            Self::GetUser => "getUserByExternalId",
            Self::DeleteUsers => "deleteUsersByExternalId",
            Self::MapUsers => "mapUsers",
            Self::SetGroups => "setGroups",
            Self::GetGroup => "getGroupByExternalId",
            Self::DeleteGroups => "deleteGroupsByExternalId",
        }
    }

    /// How much one request may hold: a limit below it would refuse some requests for ever.
    fn of_a_request(self) -> i64 {
        match self {
            Self::GetObject | Self::DeleteObjectsByProperties | Self::GetUser | Self::GetGroup => 1,
            _ => OBJECTS_MAX as i64,
        }
    }
}

/// How much of each may be done in a minute; nothing where it is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<i64>; Counted::ALL.len()]);

impl Rates {
    /// What the vendor allows.
    pub fn of_vendor() -> Self {
        Self(RATES_OF_VENDOR.map(Some))
    }

    /// How much of this may be done in a minute.
    pub fn of(&self, counted: Counted) -> Option<i64> {
        self.0[counted as usize]
    }

    /// Reads a setting: `off`, `vendor`, or such a word and limits of its own, `vendor,setObjects=3000`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what would be right.
    pub fn parse(setting: &str) -> Result<Self, String> {
        let mut rates = Self::default();
        for (place, part) in setting.split(',').enumerate() {
            match (part, part.split_once('=')) {
                ("off", _) if place == 0 => {}
                ("vendor", _) if place == 0 => rates = Self::of_vendor(),
                (_, Some((name, limit))) => {
                    let counted = counted(name)?;
                    rates.0[counted as usize] = Some(read_limit(counted, limit)?);
                }
                _ => {
                    return Err(format!(
                        "{part:?} must be off or vendor, at the beginning, or a limit such as setObjects=3000"
                    ));
                }
            }
        }
        Ok(rates)
    }
}

fn counted(name: &str) -> Result<Counted, String> {
    let known = Counted::ALL.into_iter();
    known
        .clone()
        .find(|counted| counted.name() == name)
        .ok_or_else(|| {
            let names = known.map(Counted::name);
            match text::closest(name, names.clone()) {
                Some(near) => format!("{name:?} has no limit. Did you mean {near}?"),
                None => format!(
                    "{name:?} has no limit; these have one: {}",
                    names.collect::<Vec<_>>().join(", ")
                ),
            }
        })
}

fn read_limit(counted: Counted, text: &str) -> Result<i64, String> {
    let (least, name) = (counted.of_a_request(), counted.name());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (least..=RATE_MAX).contains(limit));
    limit.ok_or_else(|| {
        format!("{name} must be {least} (what one request may hold) to {RATE_MAX}, not {text:?}")
    })
}

/// What was done in a minute. It begins with what is done first after the minute before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    began: Duration,
    done: i64,
}

impl Minute {
    const LENGTH: Duration = Duration::from_secs(60);

    /// A minute that begins now, in which nothing was done. Times are those of a clock that never jumps.
    pub fn from(now: Duration) -> Self {
        Self { began: now, done: 0 }
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.began) >= Self::LENGTH
    }

    /// Counts so many, where they fit.
    ///
    /// # Errors
    ///
    /// How long the minute goes on, where they do not. Nothing is counted then.
    pub fn count(&mut self, count: i64, limit: i64, now: Duration) -> Result<(), Duration> {
        if self.is_over(now) {
            *self = Self::from(now);
        }
        let done = self.done.saturating_add(count);
        if done > limit {
            return Err(Self::LENGTH.saturating_sub(now.saturating_sub(self.began)));
        }
        self.done = done;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        assert_eq!(Rates::parse("off"), Ok(Rates::default()));
        assert_eq!(Rates::parse("vendor"), Ok(Rates::of_vendor()));
        assert!(
            Counted::ALL
                .iter()
                .all(|counted| Rates::default().of(*counted).is_none())
        );
        let vendor = Rates::of_vendor();
        for (counted, limit) in [
            (Counted::SetObjects, 1_500),
            (Counted::SetObjectsBackfill, 50_000),
            (Counted::DeleteObjects, 500),
            (Counted::GetUser, 10_000),
            (Counted::DeleteGroups, 1_000),
        ] {
            assert_eq!(vendor.of(counted), Some(limit));
        }
        let some = Rates::parse("setObjects=100,getObjectByExternalId=1").unwrap();
        assert_eq!(
            (some.of(Counted::SetObjects), some.of(Counted::GetObject)),
            (Some(100), Some(1))
        );
        assert_eq!(some.of(Counted::SetUsers), None);
        let other = Rates::parse("vendor,setUsers=1000000000").unwrap();
        assert_eq!(
            (other.of(Counted::SetUsers), other.of(Counted::MapUsers)),
            (Some(RATE_MAX), Some(5_000))
        );
        for (wrong, words) in [
            ("", "must be off or vendor"),
            ("on", "must be off or vendor"),
            ("setUsers=100,vendor", "at the beginning"),
            (
                "setUsers=99",
                "must be 100 (what one request may hold) to 1000000000, not \"99\"",
            ),
            ("getUserByExternalId=0", "must be 1"),
            ("setUsers=", "must be 100"),
            ("setUser=100", "Did you mean setUsers?"),
            ("vendor,", "must be off or vendor"),
            ("x=1", "has no limit"),
            ("setUsers=1000000001", "must be"),
        ] {
            let problem = Rates::parse(wrong).unwrap_err();
            assert!(problem.contains(words), "{wrong:?}: {problem}");
        }
    }

    #[test]
    fn places_and_names_agree() {
        for (place, counted) in Counted::ALL.into_iter().enumerate() {
            assert_eq!(counted as usize, place);
            let setting = format!("{}=12345", counted.name());
            assert_eq!(Rates::parse(&setting).unwrap().of(counted), Some(12_345));
        }
    }

    #[test]
    fn a_minute_takes_what_fits() {
        let at = Duration::from_millis;
        let mut minute = Minute::from(at(500));
        assert_eq!(minute.count(60, 100, at(600)), Ok(()));
        // Nothing of what does not fit is counted.
        assert_eq!(minute.count(41, 100, at(1_500)), Err(at(59_000)));
        assert_eq!(minute.count(40, 100, at(60_499)), Ok(()));
        assert_eq!(minute.count(1, 100, at(60_499)), Err(at(1)));
        assert!(!minute.is_over(at(60_499)) && minute.is_over(at(60_500)));
        // The next begins when it is needed.
        assert_eq!(minute.count(100, 100, at(100_000)), Ok(()));
        assert_eq!(minute.count(1, 100, at(130_000)), Err(at(30_000)));
        assert_eq!(minute.count(i64::MAX, 100, at(130_000)), Err(at(30_000)));
    }
}
