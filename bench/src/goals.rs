//! The goals: what each work must reach beside its ceiling, in one table.

/// How a figure is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The ratio of ours to the ceiling, at least.
    AtLeast(f64),
    /// The figure itself, at most: the ratio is allowed ÷ measured, and 1.0 is the goal.
    AtMost(f64),
}

/// The names of the works, in the order in which they are run when none is named.
pub const WORKS: [&str; 15] = [
    "profile-get",
    "organization-get",
    "create",
    "bulk-upsert",
    "bulk-details",
    "ingest",
    "list",
    "filter",
    "growth",
    "start",
    "memory",
    "mixed",
    "neighbour",
    "slow-sync",
    "check",
];

/// Work, case, store, goal. What is not here has none.
const GOALS: [(&str, &str, &str, Goal); 33] = [
    ("profile-get", "uniform", "sqlite", Goal::AtLeast(0.60)),
    ("profile-get", "hot 10,000", "sqlite", Goal::AtLeast(0.85)),
    ("profile-get", "uniform, a million", "sqlite", Goal::AtLeast(0.50)),
    ("profile-get", "uniform", "postgres", Goal::AtLeast(0.35)),
    ("create", "to static", "sqlite", Goal::AtLeast(0.35)),
    ("create", "to syncs", "sqlite", Goal::AtLeast(2.5)),
    ("create", "p99 ms", "sqlite", Goal::AtMost(10.0)),
    ("create", "to a statement each", "postgres", Goal::AtLeast(2.0)),
    ("bulk-upsert", "ten details", "sqlite", Goal::AtLeast(0.75)),
    ("bulk-upsert", "whole profiles", "sqlite", Goal::AtLeast(0.75)),
    ("bulk-upsert", "ten details", "postgres", Goal::AtLeast(0.8)),
    ("bulk-upsert", "whole profiles", "postgres", Goal::AtLeast(0.8)),
    ("ingest", "hundreds, half stale", "sqlite", Goal::AtLeast(1.0)),
    ("list", "by name prefix", "sqlite", Goal::AtLeast(0.35)),
    ("list", "p99 ms at a million", "sqlite", Goal::AtMost(5.0)),
    ("filter", "by a value", "sqlite", Goal::AtLeast(0.35)),
    ("filter", "p99 ms at a million", "sqlite", Goal::AtMost(5.0)),
    ("growth", "get p50, times", "sqlite", Goal::AtMost(1.2)),
    ("growth", "get p99, times", "sqlite", Goal::AtMost(1.5)),
    ("growth", "bulk rate", "sqlite", Goal::AtLeast(0.6)),
    ("start", "ready, s", "sqlite", Goal::AtMost(0.15)),
    ("start", "ready after SIGKILL, s", "sqlite", Goal::AtMost(0.3)),
    ("memory", "idle, MB", "sqlite", Goal::AtMost(30.0)),
    ("memory", "after loading, MB", "sqlite", Goal::AtMost(150.0)),
    ("memory", "binary, MB", "sqlite", Goal::AtMost(30.0)),
    ("memory", "idle, MB", "postgres", Goal::AtMost(30.0)),
    ("memory", "after loading, MB", "postgres", Goal::AtMost(150.0)),
    ("memory", "binary, MB", "postgres", Goal::AtMost(30.0)),
    ("mixed", "reads, p99 to reads alone", "sqlite", Goal::AtMost(3.0)),
    (
        "neighbour",
        "get p99 to its quiet p99",
        "sqlite",
        Goal::AtMost(3.0),
    ),
    (
        "neighbour",
        "create p99 to a group commit",
        "sqlite",
        Goal::AtMost(2.0),
    ),
    ("slow-sync", "create to syncs", "sqlite", Goal::AtLeast(25.0)),
    ("check", "an object of 1 KB, µs", "sqlite", Goal::AtMost(3.0)),
];

/// The goal of a row, if it has one.
pub fn goal(work: &str, case: &str, store: &str) -> Option<Goal> {
    let row = GOALS
        .iter()
        .find(|(w, c, s, _)| (*w, *c, *s) == (work, case, store));
    row.map(|(_, _, _, goal)| *goal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_belongs_to_a_work_and_stands_there_once() {
        for (at, (work, case, store, _)) in GOALS.iter().enumerate() {
            assert!(WORKS.contains(work), "{work}");
            let same = GOALS[at + 1..]
                .iter()
                .any(|(w, c, s, _)| (w, c, s) == (work, case, store));
            assert!(!same, "{work}, {case}, {store}");
        }
    }
}
