//! One call by one way, taken apart into where its time went: for the speed test, never
//! for a client's call. What waits or works tells the stopwatch of its task; without one,
//! which is every call of a client, that is a look at an empty place and nothing else.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::call::Call;
use super::client::Odoo;
use super::error::OdooError;
use super::turns::Party;
use super::way::Way;

/// What the time of a request is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Connect,
    Authenticate,
    Queue,
    /// Until the head of the answer; the connection that is opened meanwhile is in it.
    Sent,
}

/// Where the time of one call went. The parts follow each other and make up the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Opening a connection, TLS included; zero if one was kept.
    pub connect: Duration,
    /// The way's own login, over a connection of its own; zero if one is known or the
    /// way has none.
    pub authenticate: Duration,
    /// Waiting for the turn and for the pace.
    pub queue: Duration,
    /// From the request until the first byte of the answer.
    pub odoo: Duration,
    /// All the rest: reading the answer.
    pub transfer: Duration,
    /// From the begin to the last byte, by a clock of its own.
    pub total: Duration,
}

/// A call that was measured.
#[derive(Debug)]
pub struct Measured {
    /// Where its time went; of one that failed, until it failed.
    pub split: Split,
    /// The whole result, or why there is none.
    pub result: Result<bytes::Bytes, OdooError>,
}

struct Stopwatch {
    is_cold: bool,
    parts: [Cell<Duration>; 4],
}

tokio::task_local! {
    static STOPWATCH: Stopwatch;
}

/// Does `work`, and adds what it took to `part` if somebody measures; also where the work is
/// given up, so that it is seen what it hung at.
pub(super) async fn timed<F: Future>(part: Part, work: F) -> F::Output {
    if STOPWATCH.try_with(|_| ()).is_err() {
        return work.await;
    }
    let _lap = Lap {
        part,
        began: Instant::now(),
    };
    work.await
}

/// A part that goes on. Its end tells the stopwatch.
struct Lap {
    part: Part,
    began: Instant,
}

impl Drop for Lap {
    fn drop(&mut self) {
        let _ = STOPWATCH.try_with(|watch| {
            let cell = &watch.parts[self.part as usize];
            cell.set(cell.get() + self.began.elapsed());
        });
    }
}

/// Whether this call takes no kept connection and leaves none.
pub(super) fn is_cold() -> bool {
    STOPWATCH.try_with(|watch| watch.is_cold).unwrap_or(false)
}

impl Odoo {
    /// Does one call that reads by `way` and no other, in the bridge's own turn, and tells
    /// where its time went, `within` which it has to be over. A cold one logs in anew and
    /// opens a connection that nobody used before or will after.
    pub async fn measure(&self, way: Way, call: Call<'_>, is_cold: bool, within: Duration) -> Measured {
        let watch = Stopwatch {
            is_cold,
            parts: Default::default(),
        };
        let work = async {
            let began = Instant::now();
            // In here, and dropped in here: what goes on tells the stopwatch how far it came.
            let result = tokio::time::timeout(within, Box::pin(self.do_by(way, call, is_cold)))
                .await
                .unwrap_or(Err(OdooError::Timeout { waited: within }));
            let total = began.elapsed();
            let parts = STOPWATCH.with(|watch| [0, 1, 2, 3].map(|part: usize| watch.parts[part].get()));
            Measured {
                split: split(parts, total),
                result,
            }
        };
        STOPWATCH.scope(watch, work).await
    }

    async fn do_by(&self, way: Way, call: Call<'_>, is_cold: bool) -> Result<bytes::Bytes, OdooError> {
        self.breaker().pass()?;
        let _turn = timed(Part::Queue, self.turns().take(Party::BRIDGE)).await?;
        // JSON-2 has no login: its key goes with the call.
        if is_cold && way != Way::Json2 {
            let login = self.log_in_by(way, &mut self.own_trip()).await;
            self.learned(way, login)?;
        }
        let result = self.execute_by(way, call, &mut self.own_trip()).await;
        let answered = self.learned(way, result)?;
        answered.data.whole().await
    }
}

fn split([connect, authenticate, queue, sent]: [Duration; 4], total: Duration) -> Split {
    let odoo = sent.saturating_sub(connect);
    Split {
        connect,
        authenticate,
        queue,
        odoo,
        transfer: total.saturating_sub(connect + authenticate + queue + odoo),
        total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_a_stopwatch_nothing_is_kept_and_nothing_is_cold() {
        assert_eq!(timed(Part::Queue, async { 7 }).await, 7);
        assert!(!is_cold());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_tells_what_it_hung_at() {
        let watch = Stopwatch {
            is_cold: false,
            parts: Default::default(),
        };
        let work = async {
            let hangs = timed(Part::Authenticate, std::future::pending::<()>());
            let given_up = tokio::time::timeout(Duration::from_secs(90), hangs).await;
            assert!(given_up.is_err());
            STOPWATCH.with(|watch| watch.parts[Part::Authenticate as usize].get())
        };
        assert!(STOPWATCH.scope(watch, work).await > Duration::ZERO);
    }

    #[test]
    fn the_parts_make_up_the_whole_and_a_connection_is_not_counted_twice() {
        let ms = Duration::from_millis;
        let split = split([ms(3), ms(20), ms(100), ms(10)], ms(135));
        assert_eq!((split.odoo, split.transfer), (ms(7), ms(5)));
        let sum = split.connect + split.authenticate + split.queue + split.odoo + split.transfer;
        assert_eq!(sum, split.total);
    }
}
