//! The one timer of a connection.
//!
//! Every wait of a connection (for a request, for the rest of a head, for the peer to read) has a deadline.
//! They share one timer, which is set again only when a deadline comes before the time it is set to: a kept
//! connection that moves its deadline with every request touches the runtime's timer wheel about once a
//! timeout, not once a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// True when `deadline` has come; else the task is woken when it does.
    pub(crate) fn rings(&mut self, deadline: Instant, context: &mut Context<'_>) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while let Poll::Ready(()) = sleep.as_mut().poll(context) {
            if Instant::now() >= deadline {
                return true;
            }
            // It was still set for an earlier wait, which has ended well.
            sleep.as_mut().reset(deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    async fn rung(alarm: &mut Alarm, deadline: Instant) {
        poll_fn(|context| {
            if alarm.rings(deadline, context) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_each_deadline_whether_moved_later_or_earlier() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        for seconds in [5, 60, 70] {
            rung(&mut alarm, start + Duration::from_secs(seconds)).await;
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
        let far = start + Duration::from_secs(1000);
        poll_fn(|context| {
            assert!(!alarm.rings(far, context));
            Poll::Ready(())
        })
        .await;
        rung(&mut alarm, start + Duration::from_secs(80)).await;
        assert_eq!(start.elapsed().as_secs(), 80);
    }
}
