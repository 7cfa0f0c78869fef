//! Ctrl-C and its like: everything that was started ends, then we do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::backend;

/// From now on a signal that ends this program ends its models too.
pub(super) fn install() {
    // Without a handler the default action still ends us; our models see their stdin close.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(signal)
        }
    });
}

/// From now on the first such signal asks a server to `stop`, and the second ends everything.
pub(super) fn install_draining(stop: impl FnOnce() + Send + 'static) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            stop();
        }
        if let Some(signal) = signals.next() {
            end(signal)
        }
    });
}

/// Whether a signal is ending this program.
static ENDING: AtomicBool = AtomicBool::new(false);

fn end(signal: i32) -> ! {
    ENDING.store(true, Ordering::SeqCst);
    backend::kill_all();
    std::process::exit(128 + signal)
}

/// Does not return if a signal is ending this program: that its models were killed is not what went wrong.
pub(super) fn give_way() {
    while ENDING.load(Ordering::SeqCst) {
        thread::park();
    }
}
