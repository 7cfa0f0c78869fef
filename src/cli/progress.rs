//! A progress bar for whatever takes longer than a second, drawn by a thread that only watches.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::report;
use crate::exec::Progress;

/// Shows nothing for this long.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// Runs `work` while its progress is shown on the terminal, if there is one.
pub(super) fn watched<T: Send>(quiet: bool, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if quiet || !report::is_terminal() {
        return work(&progress);
    }
    let (done, over) = mpsc::channel::<()>();
    let watched = &progress;
    thread::scope(|scope| {
        scope.spawn(move || {
            if over.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            let bar = report::progress_bar();
            while over.recv_timeout(REDRAW) == Err(mpsc::RecvTimeoutError::Timeout) {
                bar.set_length(watched.total() as u64);
                bar.set_position(watched.done() as u64);
            }
            bar.finish_and_clear();
        });
        let result = work(&progress);
        drop(done);
        result
    })
}
