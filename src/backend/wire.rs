//! Three pipes to another process, driven from one thread: whatever is written, whatever comes back on
//! either of the other two is taken in meanwhile, so that nobody ever waits for a full pipe.
//!
//! Lines and deadlines, no meaning. Any pair of pipes will do, so that both ends of a protocol can meet
//! in one test without a process.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The longest line taken in. A reply beyond this is a mistake, and memory is not endless.
pub(crate) const LONGEST_LINE: usize = 256 << 20;

/// How much of its last words on stderr is kept.
const LAST_WORDS: usize = 16 << 10;

/// How much of stderr is read at once.
const CHUNK: usize = 16 << 10;

/// What a pipe holds, in bytes. Whenever one is full or empty somebody sleeps and must be woken; with more than this there is
/// little to gain, and the pipes of one user should hold no more than 64 MB together (pipe(7)).
#[cfg(target_os = "linux")]
const PIPE: usize = 256 << 10;

/// Before we sleep we look out for an answer for so long: to fall asleep and be woken takes longer than a fast model.
const LOOKOUT: Duration = Duration::from_micros(30);

/// Where that was in vain, be it that the model is slow or that it waits for our processor, so many lines are awaited asleep.
const ASLEEP: u8 = 64;

/// Our ends of the pipes.
pub(crate) struct Wire {
    /// To its stdin; `None` once closed.
    input: Option<OwnedFd>,
    /// From its stdout; `None` at its end.
    output: Option<OwnedFd>,
    /// From its stderr; `None` at its end.
    errors: Option<OwnedFd>,
    outbox: Vec<u8>,
    /// How much of the outbox is written.
    sent: usize,
    inbox: Vec<u8>,
    /// Where the first line not yet taken begins, and how far it is known to have no end.
    line: usize,
    searched: usize,
    /// How many lines are awaited asleep before we look out for one again.
    asleep: u8,
    last_words: VecDeque<u8>,
}

/// Why no line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The deadline passed.
    Late,
    /// The other end closed its stdout.
    Closed,
    /// The line has no end within [`LONGEST_LINE`].
    Endless,
    /// Nobody waits for a line any more.
    Unwanted,
    /// The pipes failed.
    Io(Errno),
}

impl Wire {
    /// Takes over our ends of the pipes.
    pub(crate) fn new(input: OwnedFd, output: OwnedFd, errors: Option<OwnedFd>) -> Result<Wire, Errno> {
        for fd in [Some(&input), Some(&output), errors.as_ref()].into_iter().flatten() {
            let flags = rustix::fs::fcntl_getfl(fd)?;
            rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        }
        #[cfg(target_os = "linux")]
        for fd in [&input, &output] {
            // Where it may hold no more it works all the same.
            let _ = rustix::pipe::fcntl_setpipe_size(fd, PIPE);
        }
        Ok(Wire {
            input: Some(input),
            output: Some(output),
            errors,
            outbox: Vec::new(),
            sent: 0,
            inbox: Vec::new(),
            line: 0,
            searched: 0,
            asleep: 0,
            last_words: VecDeque::new(),
        })
    }

    /// Sends bytes: as many as the pipe takes now, the rest while lines are awaited.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
        }
        if self.outbox.is_empty()
            && let Some(input) = &self.input
            && let Ok(written) = rustix::io::write(input, bytes)
        {
            self.outbox.extend_from_slice(&bytes[written..]);
        } else {
            self.outbox.extend_from_slice(bytes);
        }
    }

    /// Sends everything and closes the other end's stdin. What it says meanwhile is kept.
    pub(crate) fn finish_input(&mut self, deadline: Option<Instant>) -> Result<(), Silence> {
        while self.sent < self.outbox.len() && self.input.is_some() && self.output.is_some() {
            self.pump(deadline)?;
        }
        self.input = None;
        Ok(())
    }

    /// Waits for a line, which [`Wire::take_line`] then has. With no deadline it waits for ever.
    pub(crate) fn await_line(&mut self, deadline: Option<Instant>) -> Result<(), Silence> {
        let mut lookout = (self.asleep == 0 && self.sent == self.outbox.len()).then(|| Instant::now() + LOOKOUT);
        self.asleep = self.asleep.saturating_sub(1);
        loop {
            if let Some(length) = memchr(&self.inbox[self.searched..]) {
                self.searched += length;
                return Ok(());
            }
            self.searched = self.inbox.len();
            if self.inbox.len() - self.line > LONGEST_LINE {
                return Err(Silence::Endless);
            }
            if self.output.is_none() {
                return Err(Silence::Closed);
            }
            match lookout {
                Some(end) if Instant::now() < end => {
                    std::hint::spin_loop();
                    self.take_output()?;
                }
                Some(_) => {
                    self.asleep = ASLEEP;
                    lookout = None;
                }
                None => self.pump(deadline)?,
            }
        }
    }

    /// The line that was awaited, without its newline.
    pub(crate) fn take_line(&mut self) -> &[u8] {
        let (start, end) = (self.line, self.searched);
        self.line = end + 1;
        self.searched = end + 1;
        &self.inbox[start..end]
    }

    /// Waits for the end of its stdout. All that came is then the [`fragment`](Wire::fragment).
    pub(crate) fn await_end(&mut self, deadline: Option<Instant>) -> Result<(), Silence> {
        while self.output.is_some() {
            if self.inbox.len() - self.line > LONGEST_LINE {
                return Err(Silence::Endless);
            }
            self.pump(deadline)?;
        }
        Ok(())
    }

    /// A line that it wrote before it is asked.
    pub(crate) fn unasked(&mut self) -> Option<&[u8]> {
        // That it ended, or its pipe failed, shows when it is asked.
        let _ = self.take_output();
        let said = &self.inbox[self.line..];
        memchr(said).map(|length| &said[..length])
    }

    /// Whether the other end has taken in all that was sent, as a program has that dies of it, and one that
    /// died before has not.
    pub(crate) fn is_read(&self) -> bool {
        let unread = self.input.as_ref().map(rustix::io::ioctl_fionread);
        self.sent == self.outbox.len() && unread == Some(Ok(0))
    }

    /// What has come of a line that has not ended.
    pub(crate) fn fragment(&self) -> &[u8] {
        &self.inbox[self.line..]
    }

    /// Waits for the other end to close its stdout, dropping what it still says. Whether it did.
    pub(crate) fn drain(&mut self, deadline: Instant) -> bool {
        while self.output.is_some() || self.errors.is_some() {
            self.inbox.clear();
            (self.line, self.searched) = (0, 0);
            if self.pump(Some(deadline)).is_err() {
                break;
            }
        }
        self.output.is_none()
    }

    /// Its last words on stderr, whole lines as far as they are kept.
    pub(crate) fn last_words(&mut self) -> String {
        // What it wrote before it fell silent may still be in the pipe; more than a pipe holds is written by one that
        // is not silent.
        for _ in 0..(1 << 20) / CHUNK {
            if self.errors.is_none() || self.pump(Some(Instant::now())).is_err() {
                break;
            }
        }
        let (head, tail) = self.last_words.as_slices();
        let text = String::from_utf8_lossy(&[head, tail].concat()).into_owned();
        if self.last_words.len() < LAST_WORDS {
            return text;
        }
        text.split_once('\n').map_or(text.clone(), |(_, whole)| whole.to_owned())
    }

    /// Waits until something can be written or read, and does so.
    fn pump(&mut self, deadline: Option<Instant>) -> Result<(), Silence> {
        let sending = self.input.as_ref().filter(|_| self.sent < self.outbox.len());
        let watched =
            [(sending, PollFlags::OUT), (self.output.as_ref(), PollFlags::IN), (self.errors.as_ref(), PollFlags::IN)];
        // In the place of one that is closed another is watched, for nothing.
        let Some(any) = watched.iter().find_map(|(fd, _)| *fd) else { return Err(Silence::Closed) };
        let mut fds = watched.map(|(fd, interest)| match fd {
            Some(fd) => PollFd::new(fd, interest),
            None => PollFd::new(any, PollFlags::empty()),
        });
        loop {
            let timeout = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Err(Silence::Late),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Silence::Io(error)),
            }
        }
        let ready = |at: usize| watched[at].0.is_some() && !fds[at].revents().is_empty();
        let (writable, readable, speaking) = (ready(0), ready(1), ready(2));
        if readable {
            self.take_output()?;
        }
        if speaking {
            self.take_errors();
        }
        if writable {
            self.give_input();
        }
        Ok(())
    }

    fn give_input(&mut self) {
        let Some(input) = &self.input else { return };
        match rustix::io::write(input, &self.outbox[self.sent..]) {
            Ok(written) => self.sent += written,
            Err(Errno::AGAIN | Errno::INTR) => {}
            // It reads no more. That it said why, or died, shows on the other pipes.
            Err(_) => {
                self.input = None;
                self.outbox.clear();
                self.sent = 0;
            }
        }
    }

    fn take_output(&mut self) -> Result<(), Silence> {
        if self.line == self.inbox.len() {
            self.inbox.clear();
            (self.line, self.searched) = (0, 0);
        } else if self.line > 1 << 20 {
            self.inbox.drain(..self.line);
            self.searched -= self.line;
            self.line = 0;
        }
        let Some(output) = &self.output else { return Ok(()) };
        // As much as a pipe holds, or in step with what is already there for a long line.
        self.inbox.reserve((64 << 10).max(self.inbox.len() / 4));
        match rustix::io::read(output, rustix::buffer::spare_capacity(&mut self.inbox)) {
            Ok(0) => self.output = None,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(Silence::Io(error)),
        }
        Ok(())
    }

    fn take_errors(&mut self) {
        let Some(errors) = &self.errors else { return };
        let mut buffer = [0u8; CHUNK];
        match rustix::io::read(errors, &mut buffer) {
            Ok(0) => self.errors = None,
            Ok(count) => {
                tracing::debug!(target: "secant::stderr", "{}", String::from_utf8_lossy(&buffer[..count]).trim_end());
                self.last_words.extend(&buffer[..count]);
                let excess = self.last_words.len().saturating_sub(LAST_WORDS);
                self.last_words.drain(..excess);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.errors = None,
        }
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}
