//! A gate before a queue that is simulated millisecond by millisecond, and what holds whatever is seen.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const PATIENCE: Patience = Patience {
    late: Duration::from_millis(50),
    aim: Duration::from_millis(25),
};
const FLOOD: TenantId = TenantId(1);
const OTHER: TenantId = TenantId(2);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What one tenant asks for.
#[derive(Clone, Copy)]
struct Asker {
    who: TenantId,
    per_second: f64,
    /// The part that has not made a whole request yet.
    due: f64,
}

fn asker(who: TenantId, per_second: f64) -> Asker {
    Asker {
        who,
        per_second,
        due: 0.0,
    }
}

/// What became of the requests of a while.
#[derive(Default)]
struct Outcome {
    done: HashMap<TenantId, u64>,
    refused: HashMap<TenantId, u64>,
    /// Of those that were done, ascending.
    waits: Vec<Duration>,
}

impl Outcome {
    fn done(&self, who: TenantId) -> u64 {
        self.done.get(&who).copied().unwrap_or(0)
    }

    fn refused(&self, who: TenantId) -> u64 {
        self.refused.get(&who).copied().unwrap_or(0)
    }

    /// The wait below which this many of a hundred stayed.
    fn wait(&self, percent: usize) -> Duration {
        self.waits
            .get(self.waits.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// A server that does so many requests in a second, and refuses one in a part of that time. Requests wait in one line,
/// those that will be refused too.
struct Server {
    gate: Gate,
    per_second: f64,
    refusal: f64,
    line: VecDeque<(Duration, TenantId)>,
    budget: f64,
    now: u64,
    asked: u64,
    begun: u64,
}

impl Server {
    fn new(per_second: f64, refusal: f64) -> Self {
        Self {
            gate: Gate::new(PATIENCE),
            per_second,
            refusal,
            line: VecDeque::new(),
            budget: 0.0,
            now: 0,
            asked: 0,
            begun: 0,
        }
    }

    fn run(&mut self, millis: u64, askers: &mut [Asker]) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..millis {
            self.now += 1;
            let now = at(self.now);
            for asker in &mut *askers {
                asker.due += asker.per_second / 1_000.0;
                while asker.due >= 1.0 {
                    asker.due -= 1.0;
                    self.line.push_back((now, asker.who));
                }
            }
            self.budget = (self.budget + self.per_second / 1_000.0).min(self.per_second / 100.0);
            while self.budget > 0.0
                && let Some((since, who)) = self.line.pop_front()
            {
                self.begun += 1;
                if self.gate.admits(Some(who), 1, now) {
                    self.budget -= 1.0;
                    *outcome.done.entry(who).or_default() += 1;
                    outcome.waits.push(now - since);
                } else {
                    self.budget -= self.refusal;
                    *outcome.refused.entry(who).or_default() += 1;
                }
            }
            if self.now.is_multiple_of(100) {
                let seen = Seen {
                    wait: self
                        .line
                        .front()
                        .map_or(Duration::ZERO, |(since, _)| now - *since),
                    crowd: self.line.len(),
                    asked: self.begun - self.asked,
                    done: self.begun - self.asked,
                };
                self.asked = self.begun;
                self.gate.step(seen, now);
            }
        }
        outcome.waits.sort_unstable();
        outcome
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn twice_the_capacity_is_shed_and_what_is_admitted_stays_quick(
        capacity in 4_000.0..40_000_f64,
        times in 1.5..2.5_f64,
        refusal in 0.02..0.25_f64,
    ) {
        let mut server = Server::new(capacity, refusal);
        let mut askers = [asker(FLOOD, capacity * times), asker(OTHER, capacity / 40.0)];
        server.run(3_000, &mut askers);
        let outcome = server.run(5_000, &mut askers);
        prop_assert!(outcome.wait(50) < at(50), "half waited {:?}", outcome.wait(50));
        prop_assert!(outcome.wait(99) < at(150), "one in a hundred waited {:?}", outcome.wait(99));
        // What is left of the server beside the refusals.
        let possible = capacity * (1.0 - (times + 0.025) * refusal) / (1.0 - refusal);
        let done = (outcome.done(FLOOD) + outcome.done(OTHER)) as f64 / 5.0;
        prop_assert!(done > 0.7 * possible, "{done} of {possible} a second");
        // Who asks for little is not refused.
        prop_assert_eq!(outcome.refused(OTHER), 0);
        prop_assert!(outcome.refused(FLOOD) > 0);
        // And when the flood is over, the gate is soon open.
        server.run(3_000, &mut [asker(FLOOD, capacity / 2.0)]);
        prop_assert!(server.gate.is_open());
    }

    #[test]
    fn tenants_that_ask_for_too_much_get_the_same(
        capacity in 4_000.0..40_000_f64,
        tenants in 2..20_i64,
    ) {
        let mut server = Server::new(capacity, 0.1);
        // Together three times what can be done; the first asks for as much as all others.
        let each = 1.5 * capacity / (tenants - 1) as f64;
        let mut askers: Vec<Asker> = (2..=tenants).map(|n| asker(TenantId(n), each)).collect();
        askers.push(asker(FLOOD, 1.5 * capacity));
        server.run(6_000, &mut askers);
        let outcome = server.run(4_000, &mut askers);
        let flood = outcome.done(FLOOD) as f64;
        for n in 2..=tenants {
            let done = outcome.done(TenantId(n)) as f64;
            prop_assert!(done > 0.8 * flood, "{done} of one, {flood} of the flood");
        }
        prop_assert!(outcome.wait(99) < at(200), "{:?}", outcome.wait(99));
    }

    #[test]
    fn without_a_crowd_nothing_is_ever_refused(
        seen in prop::collection::vec((0..100_000_u64, 0..CROWD, 0..100_000_u64, 0..10_u64), 1..100),
    ) {
        let mut gate = Gate::new(PATIENCE);
        for (step, (wait, crowd, asked, done)) in seen.into_iter().enumerate() {
            let now = at(100 * step as u64);
            gate.step(Seen { wait: at(wait), crowd, asked, done }, now);
            for _ in 0..100 {
                prop_assert!(gate.admits(Some(FLOOD), CHANGE_WEIGHT, now));
            }
        }
        prop_assert!(gate.is_open());
    }

    #[test]
    fn who_keeps_to_the_level_is_never_refused_and_who_does_not_gets_no_more(
        seen in prop::collection::vec((0..1_000_u64, 0..2_000_usize, 0..100_000_u64, 0..3_u64), 3..60),
        weight in 1..10_u32,
    ) {
        let mut gate = Gate::new(PATIENCE);
        let mut now = at(0);
        for (wait, crowd, asked, done) in seen {
            now += STEP;
            gate.step(Seen { wait: at(wait), crowd, asked, done }, now);
            let Some(level) = gate.level() else { continue };
            prop_assert!(level.is_finite() && level >= 1.0);
            let period = Duration::from_secs_f64(f64::from(weight) / level);
            // Long after what came at older levels.
            now += at(20_000);
            for _ in 0..20 {
                prop_assert!(gate.admits(Some(OTHER), weight, now));
                now += period + Duration::from_nanos(1);
            }
            let second = at(1_000);
            let mut admitted = 0;
            for part in 0..200 {
                let now = now + second * part / 200;
                admitted += u32::from(gate.admits(Some(FLOOD), weight, now));
                admitted += u32::from(gate.admits(Some(FLOOD), weight, now));
            }
            // What the level allows, what may come at once, and the first and the last.
            let at_once = BURST.as_secs_f64().max(f64::from(BURST_LEAST) / level);
            let most = (second.as_secs_f64() + at_once) / period.as_secs_f64() + 2.0;
            prop_assert!(f64::from(admitted) <= most, "{admitted} of {most}");
            now += second;
        }
    }
}

/// Steps a gate so often by the same.
fn steps(gate: &mut Gate, count: u64, from: u64, seen: Seen) -> u64 {
    for step in 0..count {
        gate.step(seen, at(from + 100 * step));
    }
    from + 100 * count
}

const LATE: Seen = Seen {
    wait: Duration::from_millis(500),
    crowd: 1_000,
    asked: 1_000,
    done: 1_000,
};

#[test]
fn one_late_step_is_no_overload_and_two_are() {
    let mut gate = Gate::new(PATIENCE);
    let calm = Seen { wait: at(1), ..LATE };
    let mut now = steps(&mut gate, 1, 100, LATE);
    now = steps(&mut gate, 1, now, calm);
    now = steps(&mut gate, 1, now, LATE);
    assert!(gate.is_open());
    now = steps(&mut gate, 1, now, LATE);
    assert_eq!(gate.level(), Some(10_000.0 * FIRST));
    // Requests of which nobody knows the tenant share one part.
    assert!(gate.admits(None, 1_000_000, at(now)));
    assert!(!gate.admits(None, 1, at(now)));
    assert!(gate.admits(Some(FLOOD), 1, at(now)));
}

#[test]
fn a_place_that_stands_still_teaches_nothing() {
    let mut gate = Gate::new(PATIENCE);
    let now = steps(&mut gate, 2, 100, LATE);
    let level = gate.level();
    let stalled = Seen {
        asked: 0,
        done: 0,
        ..LATE
    };
    steps(&mut gate, 50, now, stalled);
    assert!(level.is_some());
    // A disk that stalled for five seconds is no reason to refuse everybody afterwards.
    assert_eq!(gate.level(), level);
}

/// A flood of so many units a second, for one step.
fn flood(gate: &mut Gate, units: u64, now: u64) {
    for unit in 0..units / 10 {
        gate.admits(
            Some(FLOOD),
            1,
            at(now) + STEP * u32::try_from(unit).unwrap() / u32::try_from(units / 10).unwrap(),
        );
    }
}

#[test]
fn the_way_back_from_a_low_level_is_short() {
    let mut gate = Gate::new(PATIENCE);
    let mut now = steps(&mut gate, 2, 100, LATE);
    // Tenants of which each asks for more than a level that refuses nobody.
    for wait in 0..20 {
        let seen = Seen {
            wait: at(1_000 + wait),
            ..LATE
        };
        now = steps(&mut gate, 1, now, seen);
    }
    assert_eq!(gate.level(), Some(LEVEL_LEAST));
    for step in 0..70 {
        let idle = Seen { wait: at(0), ..LATE };
        flood(&mut gate, 100_000, now);
        now = steps(&mut gate, 1, now, idle);
        assert!(!gate.is_open(), "{step}");
    }
    assert!(
        gate.level().is_some_and(|level| level > 10_000.0),
        "{:?}",
        gate.level()
    );
}

/// A server that does a few dozen long reads a second, and another tenant whose page asks for six things at once.
#[test]
fn a_page_is_let_through_whole_where_little_can_be_done() {
    let mut server = Server::new(30.0, 0.001);
    let mut flood = [asker(FLOOD, 3_000.0)];
    server.run(5_000, &mut flood);
    for second in 0..30 {
        server.run(1_000, &mut flood);
        let now = at(server.now);
        let let_in = (0..6).filter(|_| server.gate.admits(Some(OTHER), 1, now)).count();
        assert_eq!(let_in, 6, "after {second} s, level {:?}", server.gate.level());
    }
}

/// All of a crowd's connections wait for answers, so hardly anything is asked for.
#[test]
fn where_nobody_comes_the_level_is_not_lowered() {
    let mut gate = Gate::new(PATIENCE);
    let mut now = steps(&mut gate, 2, 100, LATE);
    let level = gate.level().unwrap();
    for wait in 0..5 {
        let seen = Seen {
            wait: at(500 + wait),
            asked: 5,
            ..LATE
        };
        now = steps(&mut gate, 1, now, seen);
    }
    assert_eq!(gate.level(), Some(level));
}

#[test]
fn where_refusing_costs_as_much_as_doing_it_not_everything_is_refused() {
    let mut gate = Gate::new(PATIENCE);
    let mut now = steps(&mut gate, 2, 100, LATE);
    for wait in 0..300 {
        let seen = Seen {
            wait: at(500 + wait),
            ..LATE
        };
        flood(&mut gate, 20_000, now);
        now = steps(&mut gate, 1, now, seen);
        // 10,000 a second were done before.
        assert!(
            gate.level().is_none_or(|level| level > 2_000.0),
            "{:?}",
            gate.level()
        );
    }
    let mut server = Server::new(10_000.0, 0.6);
    let mut askers = [asker(FLOOD, 20_000.0)];
    server.run(3_000, &mut askers);
    let outcome = server.run(5_000, &mut askers);
    assert!(outcome.done(FLOOD) > 5 * 3_000, "{} done", outcome.done(FLOOD));
}

#[test]
fn a_pace_says_how_long_what_is_under_way_takes() {
    let mut pace = Pace::default();
    assert_eq!((pace.wait(0), pace.wait(10)), (at(0), at(0)));
    for _ in 0..50 {
        pace.note(500, at(100));
    }
    let wait = pace.wait(1_000).as_secs_f64();
    assert!((wait - 0.2).abs() < 0.001, "{wait}");
    assert_eq!(pace.wait(0), at(0));
    // Nothing is answered any more: it becomes longer and longer, up to a minute.
    pace.note(0, at(1_000));
    assert!(pace.wait(1_000) > at(500));
    for _ in 0..200 {
        pace.note(0, at(1_000));
    }
    assert_eq!(pace.wait(1_000), at(60_000));
}
