//! What the server does by itself as tasks of the runtime, begun again where it panics: else it would end in silence, with a server
//! that answers and tasks that nobody does. The storage's own threads are not among them.

use std::time::Duration;

use tokio::task::JoinSet;

/// How long nothing is done behind a panic, since what panics at once would do so without end.
pub const REST: Duration = Duration::from_secs(1);

/// Runs what `begin` makes, and again where it panics, until it comes to its end. Dropping this ends it too.
pub async fn supervised<F>(name: &'static str, rest: Duration, mut begin: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut running = JoinSet::new();
        running.spawn(begin());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(%error, "{name} panicked and is begun again; this is a bug");
                tokio::time::sleep(rest).await;
            }
            // It has ended, or the runtime does.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_panics_is_begun_again_until_it_ends() {
        let begun = Arc::new(AtomicUsize::new(0));
        let of_runs = Arc::clone(&begun);
        supervised("a test", Duration::ZERO, move || {
            let before = of_runs.fetch_add(1, Ordering::Relaxed);
            async move { assert!(before >= 2, "the panic of a test") }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn it_ends_with_who_supervises_it() {
        let (begins, begun) = oneshot::channel::<()>();
        let (held, ended) = oneshot::channel::<()>();
        let mut of_run = Some((begins, held));
        let supervising = tokio::spawn(supervised("a test", Duration::ZERO, move || {
            let of_run = of_run.take();
            async move {
                let Some((begins, _held)) = of_run else { return };
                begins.send(()).unwrap();
                std::future::pending::<()>().await;
            }
        }));
        begun.await.unwrap();
        supervising.abort();
        // What it held goes with it.
        assert!(ended.await.is_err());
    }
}
