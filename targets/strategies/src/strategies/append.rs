//! `append-log`, `append-log-nosync`, `append-lines`: one record per operation, behind the others.
//!
//! With a length and a checksum before each record a torn tail is known as such and cut off; JSON lines have neither, and the record
//! after a torn one continues its line. What is not synced survives a kill, as the page cache does.

use crashtest_model::{Expectation, Fault, Loader, Shape, StrategyInfo, Verdict};

use super::{always_intact, damaged_by_kills, first_start, shows};
use crate::log::Journal;
use crate::log::format::Format;

/// The name of the one with frames and fdatasync.
pub(crate) const LOG: &str = "append-log";
/// The name of the one with frames alone.
pub(crate) const NOSYNC: &str = "append-log-nosync";
/// The name of the one with lines.
pub(crate) const LINES: &str = "append-lines";

pub(crate) const WITH_FRAMES: Journal = Journal { format: Format::Frames, sync: true };
pub(crate) const WITHOUT_SYNC: Journal = Journal { format: Format::Frames, sync: false };
pub(crate) const WITH_LINES: Journal = Journal { format: Format::Lines, sync: false };

pub(crate) fn log() -> StrategyInfo {
    StrategyInfo {
        name: LOG.into(),
        summary: "append a record with length and checksum, fdatasync before the ack; a torn tail is cut at open, a long log \
                  compacted"
            .into(),
        shape: Shape::Log,
        recipe: "open(f, O_APPEND) · write · fdatasync · close".into(),
        origin: "write-ahead logs of databases; audit chains as they should be kept".into(),
        // A save whose fdatasync, close or compaction fails leaves its record there whole: in flight, it may be there.
        documented: always_intact(),
        planted: false,
    }
}

pub(crate) fn nosync() -> StrategyInfo {
    StrategyInfo {
        name: NOSYNC.into(),
        summary: "as append-log, without fdatasync".into(),
        recipe: "open(f, O_APPEND) · write · close".into(),
        ..log()
    }
}

pub(crate) fn lines() -> StrategyInfo {
    StrategyInfo {
        name: LINES.into(),
        summary: "append a line of JSON; no checksum, no sync".into(),
        shape: Shape::Log,
        recipe: "open(f, O_APPEND) · write · close".into(),
        origin: "audit chains and trade journals in .jsonl files".into(),
        documented: [
            damaged_by_kills(
                &Expectation { must: vec![Verdict::Torn], ..Expectation::default() },
                // The next record continues the torn line, and a loader that skips that line skips both.
                &Expectation { must: vec![Verdict::LostAck], ..Expectation::default() },
            ),
            // What a short write leaves over is written by the next one. Where the disk fills up in between, a fragment stays; once there
            // is room again, the next record continues it.
            vec![
                shows(Loader::Strict, Fault::Io, &[Verdict::Torn], &[]),
                shows(Loader::Lenient, Fault::Io, &[], &[Verdict::LostAck]),
            ],
            first_start(&[Verdict::Empty, Verdict::Torn]),
        ]
        .concat(),
        planted: false,
    }
}
