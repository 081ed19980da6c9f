//! Time, chance and memory of this machine: the only place that asks for them.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use guildhall_domain::{Clock, Random, Timestamp};

/// The machine's clocks.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The machine's random numbers.
pub struct SystemRandom;

/// What is asked for at once; ids need a dozen bytes each, and asking costs as much for a thousand.
const DRAWN: usize = 1_024;

thread_local! {
    /// Random bytes that were not used yet, and how many there are.
    static UNUSED: RefCell<([u8; DRAWN], usize)> = const { RefCell::new(([0; DRAWN], 0)) };
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        UNUSED.with_borrow_mut(|(unused, count)| {
            if bytes.len() > DRAWN {
                return draw(bytes);
            }
            if bytes.len() > *count {
                draw(unused);
                *count = DRAWN;
            }
            // What is used is forgotten.
            let used = &mut unused[*count - bytes.len()..*count];
            bytes.copy_from_slice(used);
            used.fill(0);
            *count -= bytes.len();
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where randomness comes from")]
fn draw(bytes: &mut [u8]) {
    // Without randomness no id and no token is safe, so nothing may go on.
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// The memory that this process may have: the machine's, or less where a container or the service's unit limits it.
/// Nothing where the system does not say.
pub fn memory_bytes() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let all = read("/proc/meminfo").as_deref().and_then(total);
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = limits_of_groups(&groups);
    // A group without a limit says "max".
    let limits = limits.iter().filter_map(|path| read(path)?.trim().parse().ok());
    all.into_iter().chain(limits).min()
}

/// The line `MemTotal: 24683048 kB` of `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Where the limits stand of the group that the line `0::/system.slice/guildhall.service` names and of those that it is in,
/// and of the group as the first version of control groups has it.
fn limits_of_groups(text: &str) -> Vec<String> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::"));
    let groups = group.into_iter().flat_map(|group| Path::new(group).ancestors());
    let limit = |group: &Path| {
        let group = group.to_str()?.trim_end_matches('/');
        Some(format!("/sys/fs/cgroup{group}/memory.max"))
    };
    let mut limits: Vec<String> = groups.filter_map(limit).collect();
    limits.push("/sys/fs/cgroup/memory/memory.limit_in_bytes".into());
    limits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_random_bytes_come_twice() {
        let draw = |length: usize| {
            let mut bytes = vec![0; length];
            SystemRandom.fill(&mut bytes);
            bytes
        };
        let mut seen = HashSet::new();
        for round in 0..2_000 {
            let length = [10, 16, 32, DRAWN - 1, DRAWN, DRAWN + 1][round % 6];
            assert!(seen.insert(draw(length)), "round {round}");
            assert!(draw(length).iter().any(|byte| *byte != 0));
        }
        assert!(draw(0).is_empty());
        let others: Vec<_> = std::thread::spawn(move || (0..100).map(|_| draw(10)).collect())
            .join()
            .unwrap();
        for bytes in others {
            assert!(seen.insert(bytes));
        }
    }

    #[test]
    fn memory_is_read_from_what_the_system_says() {
        let meminfo = "MemTotal:       24683048 kB\nMemFree:        21000000 kB\n";
        assert_eq!(total(meminfo), Some(24_683_048 * 1024));
        for text in [
            "",
            "MemTotal: many kB",
            "MemTotal: 5 MB",
            "MemTotal: 18446744073709551615 kB",
        ] {
            assert_eq!(total(text), None, "{text}");
        }
        let first = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(
            limits_of_groups("1:name=x:/y\n0::/system.slice/guildhall.service\n"),
            [
                "/sys/fs/cgroup/system.slice/guildhall.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
                first
            ]
        );
        assert_eq!(limits_of_groups("0::/\n"), ["/sys/fs/cgroup/memory.max", first]);
        assert_eq!(limits_of_groups("4:memory:/x\n"), [first]);
        assert!(memory_bytes().is_some_and(|bytes| bytes > 64 << 20));
    }
}
