//! Canaries: targets with a planted bug, one for each kind of damage that the harness claims to see.
//!
//! `crashtest doctor` and the tests run every one of them and fail unless the documented verdict shows. A harness that
//! passes them green is broken.

mod loaders;
mod writers;

use crashtest_model::{Fault, Loader, Shape, StrategyInfo, Verdict};

use crate::builtin::Entry;
use crate::strategies::shows;

/// Every canary.
pub(crate) const STRATEGIES: [Entry; 12] = [
    ("planted-rename-first", rename_first, || Box::new(writers::RenameFirst)),
    ("planted-unlink-first", unlink_first, || Box::new(writers::UnlinkFirst)),
    ("planted-ack-first", ack_first, || Box::new(writers::AckFirst::default())),
    ("planted-skip", skip, || Box::new(writers::Skip::default())),
    ("planted-leak", leak, || Box::new(writers::Leak::default())),
    ("planted-exit", exit, || Box::new(writers::Exit::default())),
    ("planted-fail", fail, || Box::new(writers::Fail::default())),
    ("planted-stall", stall, || Box::new(writers::Stall::default())),
    ("planted-swallow", swallow, || Box::new(loaders::Swallow)),
    ("planted-invent", invent, || Box::new(loaders::Invent)),
    ("planted-hang", hang, || Box::new(loaders::Hang)),
    ("planted-panic", panic, || Box::new(loaders::Panic)),
];

fn canary(name: &str, summary: &str, fault: Fault, must: &[Verdict], may: &[Verdict]) -> StrategyInfo {
    StrategyInfo {
        name: format!("planted-{name}"),
        summary: summary.into(),
        shape: Shape::Document,
        recipe: "planted bug".into(),
        origin: "the harness's own self-test".into(),
        documented: vec![shows(Loader::Strict, fault, must, may)],
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
    canary("exit", "exits by itself, with status 0", Fault::Kill, &[Verdict::Inconclusive], &[])
}

fn fail() -> StrategyInfo {
    canary("fail", "reports an error from every fourth save", Fault::None, &[Verdict::FailedSave], &[])
}

fn stall() -> StrategyInfo {
    canary("stall", "never returns from the fourth save", Fault::None, &[Verdict::Stuck], &[])
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
