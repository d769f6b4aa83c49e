//! One life: what a victim process does from its start until it is killed.
//!
//! Runs in a forked child. It reports to the board and nowhere else, and looks at nothing that its parent knows.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use crashtest_kit::fs::Fs;
use crashtest_kit::{Board, Hold, Place, Recovered, Refused, Registry, Target, Tickets};
use crashtest_linux::clock::now_ns;
use crashtest_linux::{shared, signals};
use crashtest_model::{Activity, Generation, HarnessBug, Plan, Seed, Signal, Start};

/// The exit status of a life whose init or save failed.
pub(crate) const FAILED: i32 = 3;
/// The exit status of a life whose target is not in the registry.
const UNKNOWN: i32 = 4;

/// How often a life that does nothing looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(1);

/// What a board says that [`HarnessBug::OverwritesBoard`] has written over.
const NEVER_SAVED: Generation = Generation(1 << 40);

/// What a life does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// Install generation 0 and exit.
    Install,
    /// The very first start: install, then wait for the kill.
    FirstStart,
    /// The start after a killed first start: install what is missing, open, then wait for the kill.
    SecondStart,
    /// Install what is missing, open, stop cleanly.
    InstallThenStop,
    /// Open, then save until that signal comes; held there.
    Save(Hold, Signal),
    /// Open, save so often, stop cleanly.
    SaveThenStop(u64),
    /// Open, save so often or until a save fails, then die by SIGKILL.
    SaveThenDie(u64),
    /// Load again and again until asked to stop.
    Load,
    /// Start again and again, each time on what the harness has put there, and wait for the next.
    Restart(Start),
}

/// Which of several processes a life is that share a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) tickets: Tickets,
    /// Its ring of tickets.
    pub(crate) process: usize,
    /// Which of the writers, from 0.
    pub(crate) writer: u32,
    /// The generation of its own that it goes on from.
    pub(crate) base: Generation,
}

/// Everything that a life needs.
pub(crate) struct Life<'a> {
    pub(crate) registry: &'a dyn Registry,
    pub(crate) plan: &'a Plan,
    pub(crate) stream: Seed,
    pub(crate) names: Seed,
    pub(crate) dir: PathBuf,
    pub(crate) board: Board,
    pub(crate) member: Option<Member>,
}

thread_local! {
    /// The board of the life that this thread lives.
    static BOARD: Cell<Option<Board>> = const { Cell::new(None) };
}

impl Life<'_> {
    /// Lives several at the same time, each in a thread of its own from the moment that its board's gate is open; the result is the exit
    /// status. How each came out is on its board.
    pub(crate) fn live_together(lives: Vec<(Life<'_>, Script)>) -> i32 {
        std::thread::scope(|scope| {
            for (life, script) in lives {
                scope.spawn(move || {
                    shared::wait_at(life.board.latch());
                    shared::close(life.board.latch());
                    life.live(script)
                });
            }
        });
        0
    }

    /// Lives it; the result is the exit status.
    pub(crate) fn live(self, script: Script) -> i32 {
        let board = self.board;
        note_panics_on(board);
        if let Script::Save(_, signal) = script {
            let prepared = match signal {
                Signal::Kill => Ok(()),
                Signal::Term => signals::note_sigterm(board.stopping()),
                Signal::Abort => signals::die_of_sigabrt(),
            };
            if let Err(error) = prepared {
                board.failed(
                    &format!("prepare for {}: {error}", signal.system_name()),
                    error.raw_os_error().unwrap_or(0),
                );
                return FAILED;
            }
        }
        loop {
            let writer = self.member.map_or(0, |member| member.writer);
            let place =
                Place { fs: Fs::new(board, self.dir.clone()), dir: self.dir.clone(), names: self.names, writer };
            let Some(mut target) = self.registry.target(&self.plan.target, self.stream, place) else { return UNKNOWN };
            board.started(now_ns());
            if matches!(
                script,
                Script::Install
                    | Script::FirstStart
                    | Script::SecondStart
                    | Script::InstallThenStop
                    | Script::Restart(Start::First)
            ) {
                board.enter(Activity::Init);
                if let Err(error) = target.init() {
                    board.failed(&format!("init: {error}"), error.raw_os_error().unwrap_or(0));
                    return FAILED;
                }
                board.installed(now_ns());
                board.enter(Activity::Idle);
            }
            match script {
                Script::Install => return 0,
                Script::FirstStart => wait_for_the_kill(),
                Script::Save(hold, _) => board.hold_at(hold),
                Script::SecondStart
                | Script::InstallThenStop
                | Script::SaveThenStop(_)
                | Script::SaveThenDie(_)
                | Script::Load
                | Script::Restart(_) => {}
            }
            board.enter(Activity::Recovery);
            if script == Script::Load {
                return self.load(&mut *target);
            }
            let opened = self.numbered(|| target.open());
            board.opened(&opened, now_ns());
            board.enter(Activity::Idle);
            match (opened, script) {
                (Ok(recovered), Script::Save(..)) => return self.save(target, recovered, u64::MAX),
                (Ok(recovered), Script::InstallThenStop) => return self.save(target, recovered, 0),
                (Ok(recovered), Script::SaveThenStop(saves)) => return self.save(target, recovered, saves),
                (Ok(recovered), Script::SaveThenDie(saves)) => {
                    // Failed or not: what counts is what it has said so far.
                    self.save_only(&mut *target, recovered, saves);
                    return die();
                }
                (Err(_), Script::SaveThenDie(_)) => return die(),
                // A refused state ends this target, not the life: it may be given a fresh directory and begin again.
                (Err(_), Script::Save(..)) | (_, Script::Restart(_)) => {
                    drop(target);
                    shared::open(board.at_latch());
                    match script {
                        // It may be asked to stop instead.
                        Script::Save(_, Signal::Term) => {
                            while !shared::wait_at_for(board.latch(), LOOK) {
                                if board.stop_asked() {
                                    return 0;
                                }
                            }
                        }
                        _ => shared::wait_at(board.latch()),
                    }
                    shared::close(board.latch());
                }
                _ => wait_for_the_kill(),
            }
        }
    }

    /// A load, with a ticket before it and one after it.
    fn numbered(&self, load: impl FnOnce() -> Result<Recovered, Refused>) -> Result<Recovered, Refused> {
        let from = self.member.map(|member| member.tickets.take());
        let loaded = load();
        if let (Some(Member { tickets, process, .. }), Some(from)) = (self.member, from) {
            tickets.loaded(process, from, &loaded);
        }
        loaded
    }

    /// Loads until it is asked to stop.
    fn load(&self, target: &mut dyn Target) -> i32 {
        while !self.board.stop_asked() {
            let loaded = self.numbered(|| target.look());
            self.board.opened(&loaded, now_ns());
        }
        0
    }

    fn save(&self, mut target: Box<dyn Target>, recovered: Recovered, saves: u64) -> i32 {
        let board = self.board;
        if !self.save_only(&mut *target, recovered, saves) {
            return FAILED;
        }
        board.enter(Activity::Close);
        match target.close() {
            Ok(()) => 0,
            Err(error) => {
                board.failed(&format!("close: {error}"), error.raw_os_error().unwrap_or(0));
                FAILED
            }
        }
    }

    /// Saves so often, and says whether every save went through.
    fn save_only(&self, target: &mut dyn Target, recovered: Recovered, saves: u64) -> bool {
        let board = self.board;
        let pause = Duration::from_micros(self.plan.target.idle_us);
        let mut generation = match recovered {
            Recovered::Fresh => Generation::ZERO,
            Recovered::State { sequence, .. } => sequence,
        };
        if let Some(member) = self.member {
            generation = member.base;
        }
        for _ in 0..saves {
            if board.stop_asked() {
                break;
            }
            generation = generation.next();
            if let Some(Member { tickets, process, .. }) = self.member {
                tickets.begin(process, generation);
            }
            board.begin(generation, now_ns());
            if let Err(error) = target.save(generation) {
                board.failed(&format!("save {generation}: {error}"), error.raw_os_error().unwrap_or(0));
                return false;
            }
            if let Some(Member { tickets, process, .. }) = self.member {
                tickets.ack(process);
            }
            board.ack(generation, now_ns());
            if self.plan.planted == Some(HarnessBug::OverwritesBoard) {
                board.ack(NEVER_SAVED, now_ns());
            }
            idle(board, pause);
        }
        true
    }
}

/// Does nothing for that long, or until the life is asked to stop.
fn idle(board: Board, time: Duration) {
    let until_ns = now_ns().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    while !board.stop_asked() {
        match until_ns.saturating_sub(now_ns()) {
            0 => return,
            left_ns => std::thread::sleep(LOOK.min(Duration::from_nanos(left_ns))),
        }
    }
}

/// Dies as by a kill: nothing is flushed, closed or dropped.
fn die() -> i32 {
    // It does not come back; if it did, the status would say so.
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    FAILED
}

/// From now on what this thread panics with stands on `board`.
fn note_panics_on(board: Board) {
    BOARD.set(Some(board));
    std::panic::set_hook(Box::new(|panic| {
        if let Some(board) = BOARD.get() {
            board.failed(&format!("panicked: {}", message(panic)), 0);
        }
    }));
}

fn wait_for_the_kill() -> ! {
    loop {
        std::thread::park();
    }
}

fn message(panic: &std::panic::PanicHookInfo<'_>) -> String {
    match panic.payload_as_str() {
        Some(text) => text.to_owned(),
        None => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crashtest_kit::BOARD_WORDS;

    use super::*;

    #[test]
    fn a_life_that_pauses_goes_on_when_it_is_asked_to_stop_and_else_when_the_time_is_over() {
        let words: Vec<AtomicU64> = (0..BOARD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let board = Board::over(words.leak());
        let began_ns = now_ns();
        idle(board, Duration::from_millis(3));
        assert!(now_ns() - began_ns >= 3_000_000);
        let pausing = std::thread::spawn(move || idle(board, Duration::from_secs(1_000_000)));
        board.ask_to_stop();
        pausing.join().unwrap();
    }
}
