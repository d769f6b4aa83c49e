//! Canaries: targets with a planted bug, one for each kind of damage that the harness claims to see.
//!
//! `crashtest doctor` and the tests run every one of them and fail unless the documented verdict shows. A harness that
//! passes them green is broken.

mod io;
mod loaders;
mod writers;

use crashtest_model::{Fault, Loader, Shape, Signal, StrategyInfo, Verdict};

use crate::builtin::Entry;
use crate::strategies::shows;

/// Every canary.
pub(crate) const STRATEGIES: [Entry; 18] = [
    ("planted-rename-first", rename_first, || Box::new(writers::RenameFirst)),
    ("planted-unlink-first", unlink_first, || Box::new(writers::UnlinkFirst)),
    ("planted-ack-first", ack_first, || Box::new(writers::AckFirst::default())),
    ("planted-skip", skip, || Box::new(writers::Skip::default())),
    ("planted-leak", leak, || Box::new(writers::Leak::default())),
    ("planted-exit", exit, || Box::new(writers::Exit::default())),
    ("planted-fail", fail, || Box::new(writers::Fail::default())),
    ("planted-undecided", undecided, || Box::new(writers::Undecided)),
    ("planted-stall", stall, || Box::new(writers::Stall::default())),
    ("planted-deaf", deaf, || Box::new(writers::Deaf)),
    ("planted-swallow", swallow, || Box::new(loaders::Swallow)),
    ("planted-invent", invent, || Box::new(loaders::Invent)),
    ("planted-hang", hang, || Box::new(loaders::Hang)),
    ("planted-panic", panic, || Box::new(loaders::Panic)),
    ("planted-short-write", short_write, || Box::new(io::ShortWrite)),
    ("planted-fsync-ignored", fsync_ignored, || Box::new(io::FsyncIgnored)),
    ("planted-fsync-retried", fsync_retried, || Box::new(io::FsyncRetried)),
    ("planted-truncated", truncated, || Box::new(io::Truncated)),
];

fn canary(name: &str, summary: &str, fault: Fault, must: &[Verdict], may: &[Verdict]) -> StrategyInfo {
    let faults = match fault {
        Fault::Kill => &[Fault::Kill, Fault::Sweep][..],
        _ => &[fault],
    };
    StrategyInfo {
        name: format!("planted-{name}"),
        summary: summary.into(),
        shape: Shape::Document,
        recipe: "planted bug".into(),
        origin: "the harness's own self-test".into(),
        documented: faults.iter().map(|fault| shows(Loader::Strict, *fault, must, may)).collect(),
        planted: true,
    }
}

fn rename_first() -> StrategyInfo {
    let summary = "renames the temporary before it writes it";
    canary("rename-first", summary, Fault::Kill, &[Verdict::Torn, Verdict::Empty], &[])
}

fn unlink_first() -> StrategyInfo {
    let summary = "removes the file before it writes the new one";
    canary("unlink-first", summary, Fault::Kill, &[Verdict::Missing], &[Verdict::Torn, Verdict::Empty])
}

fn ack_first() -> StrategyInfo {
    canary("ack-first", "acks a save before it makes it", Fault::Kill, &[Verdict::LostAck], &[])
}

fn skip() -> StrategyInfo {
    canary("skip", "skips every third save and acks it", Fault::None, &[Verdict::LostAck], &[])
}

fn leak() -> StrategyInfo {
    canary("leak", "leaves a temporary per save", Fault::None, &[Verdict::Residue], &[])
}

fn exit() -> StrategyInfo {
    let mut info = canary("exit", "exits by itself, with status 0", Fault::Kill, &[Verdict::Inconclusive], &[]);
    // Swept, it is killed at the calls before its exit like any other program.
    info.documented.retain(|row| row.fault == Fault::Kill);
    info
}

fn fail() -> StrategyInfo {
    canary("fail", "reports an error from every fourth save", Fault::None, &[Verdict::FailedSave], &[])
}

fn undecided() -> StrategyInfo {
    let summary = "saves in place, with other calls in each run";
    canary("undecided", summary, Fault::Kill, &[Verdict::Torn], &[Verdict::Empty])
}

fn stall() -> StrategyInfo {
    canary("stall", "never returns from the fourth save", Fault::None, &[Verdict::Stuck], &[])
}

fn deaf() -> StrategyInfo {
    let mut info = canary("deaf", "does not hear SIGTERM", Fault::Kill, &[Verdict::Stuck], &[]);
    info.documented.retain(|row| row.fault == Fault::Kill);
    info.documented.iter_mut().for_each(|row| row.conditions.signal = Signal::Term);
    info
}

fn swallow() -> StrategyInfo {
    canary("swallow", "a loader that swallows every error", Fault::Kill, &[Verdict::SilentReset], &[])
}

fn invent() -> StrategyInfo {
    let summary = "a loader that repairs damage with made-up data";
    canary("invent", summary, Fault::Kill, &[Verdict::AcceptedGarbage], &[])
}

fn hang() -> StrategyInfo {
    let summary = "a recovery that waits for ever for a temporary to go away";
    canary("hang", summary, Fault::Kill, &[Verdict::WontOpen], &[])
}

fn panic() -> StrategyInfo {
    canary("panic", "a recovery that panics on damage", Fault::Kill, &[Verdict::WontOpen], &[])
}

fn short_write() -> StrategyInfo {
    let summary = "writes once, and does not look at how much was written";
    canary("short-write", summary, Fault::Io, &[Verdict::FalseAck], &[])
}

fn fsync_ignored() -> StrategyInfo {
    canary("fsync-ignored", "ignores that fsync failed", Fault::Io, &[Verdict::FalseAck], &[])
}

fn fsync_retried() -> StrategyInfo {
    let summary = "calls fsync again where it failed, and believes the second call";
    canary("fsync-retried", summary, Fault::Io, &[Verdict::FalseAck], &[])
}

fn truncated() -> StrategyInfo {
    let summary = "renames a temporary over the file that it could not write to its end, and reports the error";
    canary("truncated", summary, Fault::Io, &[Verdict::Torn], &[Verdict::Empty])
}
