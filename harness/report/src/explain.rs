//! A failure in plain words: when the kill came, what was seen of the files, what recovery made of them; and what prevents it.
//!
//! A sentence says only what the record holds. Where the victim was is its own mark, so "at write(2)" does not say whether the
//! call had begun. What it had done is read from the lengths.

mod failing;
mod moment;
mod point;
mod quote;
mod remedy;

use crashtest_model::{Aim, Fault, Generation, Observed, RawFile, RawState, TrialRecord, Verdict};

pub use remedy::fix;

use crate::number::thousands;
use quote::plain;

/// Explains what happened in the trial of `record`, in one sentence without its full stop.
#[must_use]
pub fn explanation(record: &TrialRecord) -> String {
    let mut parts = vec![match record.fault {
        Fault::None if matches!(record.aim, Aim::Run(_)) => "no fault was injected".to_owned(),
        Fault::None => "no fault was injected and the program was stopped cleanly".to_owned(),
        Fault::Kill => moment::moment_words(record),
        _ => point::point_words(record),
    }];
    if !record.writers.is_empty() {
        // Which of several processes saw what is in the sentence itself.
        if let (Aim::Together { .. }, Fault::None) = (record.aim, record.fault) {
            parts[0] = record.aim.to_string();
        }
        parts.extend(record.detail.as_ref().map(|detail| plain(&detail.why)));
        parts.retain(|part| !part.is_empty());
        return parts.join(": ");
    }
    let seen: Vec<String> = record.raw.as_ref().and_then(file_words).into_iter().chain(outcome_words(record)).collect();
    parts.push(seen.join("; "));
    parts.retain(|part| !part.is_empty());
    parts.join(": ")
}

/// The state file before recovery, in words; `None` where it was whole, as there is nothing to say.
fn file_words(raw: &RawFile) -> Option<String> {
    let of_whole = raw.whole_length.map(|n| format!(" of {}", thousands(n))).unwrap_or_default();
    let length = raw.length.map(thousands);
    Some(match (raw.state, length) {
        (RawState::Whole, _) => return None,
        (RawState::Missing, _) => "the file was not there".to_owned(),
        (RawState::Empty, _) => format!("the file held 0{of_whole} bytes"),
        (RawState::Partial, Some(n)) => format!("the file held {n}{of_whole} bytes"),
        (RawState::Partial, None) => "the file was partial".to_owned(),
        (RawState::ZeroFilled, Some(n)) => format!("the file held {n} bytes, all of them zero"),
        (RawState::ZeroFilled, None) => "the file held only zeros".to_owned(),
        (RawState::Other, length) => {
            let length = length.map(|n| format!(" ({n} bytes)")).unwrap_or_default();
            match raw.tear_offset {
                Some(offset) => {
                    format!("the file{length} differed from the nearest save from byte {} on", thousands(offset))
                }
                None => format!("the file{length} was not that of any expected save"),
            }
        }
    })
}

/// The result of recovery, in words.
fn outcome_words(record: &TrialRecord) -> Option<String> {
    let acked = record.promise.acked;
    let promised = match acked {
        Generation::ZERO => "init had returned".to_owned(),
        acked => format!("save {} had been acknowledged", thousands(acked.0)),
    };
    let why = record.detail.as_ref().map(|detail| plain(&detail.why)).filter(|why| !why.is_empty());
    let words = match (record.verdict()?, &record.observed) {
        (Verdict::SilentReset, Some(observed)) if *observed != Observed::Fresh && why.is_some() => why?,
        (Verdict::SilentReset, _) => format!("recovery reported a fresh, empty state and no error, though {promised}"),
        (Verdict::AcceptedGarbage, Some(Observed::Garbage { why })) => {
            format!("recovery accepted a content that no save ever made ({})", plain(why))
        }
        (Verdict::AcceptedGarbage, _) => "recovery accepted a content that no save ever made".to_owned(),
        (Verdict::LostAck, Some(Observed::State { mixed, .. })) if !mixed.is_empty() => why?,
        (Verdict::LostAck, Some(Observed::State { generation: Some(found), missing, .. })) if !missing.is_empty() => {
            let holes: Vec<String> = missing.iter().map(|lost| thousands(lost.0)).collect();
            format!("recovery gave everything up to save {} but save {}", thousands(found.0), holes.join(", "))
        }
        (Verdict::LostAck, Some(Observed::State { generation: Some(found), .. })) => {
            let back = match *found {
                Generation::ZERO => "what init made".to_owned(),
                found => format!("save {}", thousands(found.0)),
            };
            let lost = match acked.0.saturating_sub(found.0) {
                0 => String::new(),
                1 => ": 1 save is lost".to_owned(),
                n => format!(": {} saves are lost", thousands(n)),
            };
            format!("recovery gave {back}, though {promised}{lost}")
        }
        (Verdict::FalseAck, _) => format!("{promised} all the same"),
        (Verdict::LostAck, _) => format!("recovery gave an older state, though {promised}"),
        (_, Some(Observed::Refused { why, .. })) => match plain(why) {
            why if why.is_empty() => "recovery refused it".to_owned(),
            why => format!("recovery refused it (“{why}”)"),
        },
        (_, Some(Observed::Damaged { why, .. })) => plain(why),
        (_, Some(Observed::Crashed { how })) => format!("recovery crashed ({})", plain(how)),
        (_, Some(Observed::Hung { .. })) if matches!(record.aim, Aim::Run(_)) => why?,
        (_, Some(Observed::Hung { limit_ms })) => {
            format!("recovery did not come back within {} ms", thousands(*limit_ms))
        }
        (verdict, _) => why.unwrap_or_else(|| verdict.meaning().to_owned()),
    };
    Some(words)
}
