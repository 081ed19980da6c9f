//! Stand-ins for time and chance: a clock that moves when the test says so, and randomness that is
//! the same for the same seed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guildhall_domain::time::{Clock, Random, Timestamp};

/// A clock that stands still until it is moved. Clones share the same time.
///
/// It has two hands, as a machine has: the wall clock, which somebody may set, and the monotonic one,
/// which only goes forward.
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    /// What the wall clock showed when the monotonic one was at zero, moved by every jump.
    wall_at_zero_ms: i64,
    monotonic: Duration,
}

impl Hands {
    fn wall_ms(&self) -> i64 {
        self.wall_at_zero_ms
            .saturating_add(i64::try_from(self.monotonic.as_millis()).unwrap_or(i64::MAX))
    }
}

impl ManualClock {
    /// A clock whose wall shows `now`, and whose monotonic hand is at zero.
    pub fn new(now: Timestamp) -> Self {
        Self {
            hands: Arc::new(Mutex::new(Hands {
                wall_at_zero_ms: now.0,
                monotonic: Duration::ZERO,
            })),
        }
    }

    /// Time passes: both hands go forward.
    pub fn advance(&self, by: Duration) {
        self.hands().monotonic += by;
    }

    /// Somebody sets the wall clock to `now`. The monotonic hand stays.
    pub fn set(&self, now: Timestamp) {
        let mut hands = self.hands();
        let shown = hands.wall_ms();
        hands.wall_at_zero_ms += now.0 - shown;
    }

    /// The wall clock jumps, back when negative. The monotonic hand stays.
    pub fn jump_wall(&self, by_ms: i64) {
        self.hands().wall_at_zero_ms += by_ms;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.hands().wall_ms())
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}

/// Randomness from a seed (SplitMix64): the same seed gives the same run. Clones share one stream.
/// Never for secrets.
#[derive(Clone, Debug)]
pub struct SeededRandom {
    state: Arc<Mutex<u64>>,
}

impl SeededRandom {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(seed)),
        }
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `n - 1`, each as likely as the others. Panics when `n` is 0.
    pub fn below(&self, n: u64) -> u64 {
        assert!(n > 0, "below(0) has no answer");
        // The lowest 2^64 mod n values are one more round than the rest: drawn again.
        let unfair = n.wrapping_neg() % n;
        loop {
            let drawn = self.next_u64();
            if drawn >= unfair {
                return drawn % n;
            }
        }
    }

    /// One of `items`. Panics when there is none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "pick from nothing");
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).expect("the index is below a usize")]
    }

    /// True with the probability `p`: never for 0.0, always for 1.0.
    pub fn chance(&self, p: f64) -> bool {
        const STEPS: u64 = 1 << 53;
        (self.next_u64() % STEPS) as f64 / (STEPS as f64) < p
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_hands_move_separately() {
        let clock = ManualClock::new(Timestamp(1_000));
        let same = clock.clone();
        clock.advance(Duration::from_micros(1_500));
        clock.advance(Duration::from_micros(500));
        assert_eq!(
            (same.now().0, same.monotonic()),
            (1_002, Duration::from_millis(2))
        );
        clock.jump_wall(-500);
        assert_eq!((same.now().0, same.monotonic()), (502, Duration::from_millis(2)));
        clock.set(Timestamp(9_000));
        clock.advance(Duration::from_secs(1));
        assert_eq!(
            (same.now().0, same.monotonic()),
            (10_000, Duration::from_millis(1_002))
        );
    }

    #[test]
    fn a_seed_repeats() {
        // The first outputs of SplitMix64 for seed 1234567, from its reference.
        let random = SeededRandom::new(1_234_567);
        assert_eq!(
            [random.next_u64(), random.next_u64()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
        let (mut one, mut two) = ([0; 13], [0; 13]);
        SeededRandom::new(7).fill(&mut one);
        SeededRandom::new(7).fill(&mut two);
        assert_eq!(one, two);
        assert_ne!(one, [0; 13]);
    }

    #[test]
    fn draws_stay_in_bounds() {
        let random = SeededRandom::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..3_000 {
            seen[usize::try_from(random.below(3)).unwrap()] += 1;
            assert!((1..=3).contains(random.pick(&[1, 2, 3])));
        }
        assert!(seen.iter().all(|n| *n > 800), "{seen:?}");
        assert!((0..1_000).all(|_| !random.chance(0.0) && random.chance(1.0)));
    }
}
