//! The oracle: promises and what recovery gave → verdict.
//!
//! *Verified*: every recovered content is compared, by digest, with contents derived outside the victim; promises are read from
//! memory that outlives it. *Not verified*: that content of equal digest (64 bits) is equal.

use crashtest_kit::{Found, Generations, OpenedAs};
use crashtest_model::{
    Consequences, Damage, Digest, Generation, Observed, PartOf, Promise, RawFile, RawState, Verdict,
};

/// Generations past the begun one that a recovered content is compared with, to tell "from the future" from "never made".
const FUTURE: u64 = 2;

/// Which generation a recovered content is, by its digest: first those that it should be, then every earlier one, then the next.
pub(crate) fn identify(opened: &OpenedAs, generations: &mut dyn Generations, promise: Promise) -> Observed {
    let (sequence, digest, missing, parts) = match opened {
        OpenedAs::Fresh => return Observed::Fresh,
        OpenedAs::Refused { why, damage } => return Observed::Refused { why: why.clone(), damage: *damage },
        OpenedAs::State { sequence, digest, missing, parts } => (*sequence, *digest, missing.clone(), parts),
    };
    if !missing.is_empty() {
        // A log with holes says itself where it ends and what is not there; it is believed when the rest is what was issued.
        let genuine = sequence <= promise.begun && generations.digest_without(sequence, &missing) == Some(digest);
        return Observed::State { generation: genuine.then_some(sequence), digest, missing, mixed: Vec::new() };
    }
    let (acked, begun) = (promise.acked.0, promise.begun.0);
    let generation = (acked..=begun)
        .chain(0..acked)
        .chain(begun + 1..=begun + FUTURE)
        .map(Generation)
        .find(|generation| generations.digest(*generation) == digest);
    let (mixed, oldest) = if generation.is_none() { mixed(parts, generations, promise) } else { Default::default() };
    Observed::State { generation: generation.or(oldest), digest, missing, mixed }
}

/// The last save, of those that were begun, that left each of the parts as it is, and the oldest of those saves, parts that follow from
/// others left out; nothing where one of the parts is no save's and does not follow from the others.
fn mixed(parts: &[Digest], generations: &mut dyn Generations, promise: Promise) -> (Vec<PartOf>, Option<Generation>) {
    let names = generations.parts();
    let (mut found, mut oldest) = (Vec::new(), None);
    for (n, (part, digest)) in names.into_iter().zip(parts).enumerate() {
        let mut begun = (0..=promise.begun.0).rev().map(Generation);
        let generation = begun.find(|generation| generations.part_digest(n, *generation) == Some(*digest));
        match (generation, generations.is_derived(n)) {
            (None, false) => return Default::default(),
            (Some(generation), false) => oldest = Some(oldest.map_or(generation, |oldest| generation.min(oldest))),
            (_, true) => {}
        }
        found.push(PartOf { part, generation });
    }
    (found, oldest)
}

/// "active_positions of save 8, pending_orders of save 7".
fn parts_words(mixed: &[PartOf]) -> String {
    let words = |part: &PartOf| match part.generation {
        Some(generation) => format!("{} of save {generation}", part.part),
        None => format!("{} of no save", part.part),
    };
    mixed.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// The verdict on a recovery that gave `observed`, and one sentence that says why.
#[must_use]
pub fn judge(promise: Promise, observed: &Observed, raw: &RawFile) -> (Verdict, String) {
    let Promise { acked, begun, installed, .. } = promise;
    match observed {
        Observed::State { generation: Some(found), missing, .. } if !missing.is_empty() => {
            let holes = missing.iter().map(Generation::to_string).collect::<Vec<_>>().join(", ");
            (Verdict::LostAck, format!("came back up to save {found}, but without save {holes}"))
        }
        Observed::State { generation: Some(found), mixed, .. } if !mixed.is_empty() && *found < acked => {
            (Verdict::LostAck, format!("save {acked} was acknowledged, came back with {}", parts_words(mixed)))
        }
        Observed::State { mixed, .. } if !mixed.is_empty() => {
            (Verdict::BrokenInvariant, format!("came back with {}: no save left these together", parts_words(mixed)))
        }
        Observed::State { generation: Some(found), .. } if (acked..=begun).contains(found) => {
            (Verdict::Intact, format!("came back with save {found}"))
        }
        Observed::State { generation: Some(found), .. } if *found < acked => {
            (Verdict::LostAck, format!("save {acked} was acknowledged, came back with save {found}"))
        }
        Observed::State { generation: Some(found), .. } => (
            Verdict::AcceptedGarbage,
            format!("came back with save {found}, which was never begun (the last was {begun})"),
        ),
        Observed::State { generation: None, digest, .. } => {
            (Verdict::AcceptedGarbage, format!("accepted a content that no save made (digest {digest})"))
        }
        Observed::Fresh if !installed => (Verdict::Intact, "started fresh before init had returned".into()),
        Observed::Fresh => {
            let promised = match acked {
                Generation::ZERO => "there was a state".to_owned(),
                acked => format!("save {acked} was acknowledged"),
            };
            (Verdict::SilentReset, format!("started fresh and empty without an error, though {promised}"))
        }
        Observed::Opened => (Verdict::Intact, "opened".into()),
        Observed::Garbage { why } => (Verdict::AcceptedGarbage, format!("accepted a content that no save made: {why}")),
        Observed::Unclear { why } => (Verdict::Inconclusive, why.clone()),
        Observed::Damaged { damage, why } => {
            let verdict = match damage {
                Damage::Torn => Verdict::Torn,
                Damage::Empty => Verdict::Empty,
                Damage::Missing => Verdict::Missing,
            };
            (verdict, why.clone())
        }
        Observed::Refused { why, .. } => {
            let verdict = match raw.state {
                RawState::Missing => Verdict::Missing,
                RawState::Empty | RawState::ZeroFilled => Verdict::Empty,
                RawState::Partial | RawState::Other => Verdict::Torn,
                RawState::Whole => Verdict::WontOpen,
            };
            (verdict, format!("refused: {why}"))
        }
        Observed::Crashed { .. } | Observed::Shot | Observed::Hung { .. } => unopened(observed),
    }
}

/// The verdict on a recovery that gave neither a state nor a refusal.
///
/// # Panics
/// If it did: a mistake in the harness.
pub(crate) fn unopened(observed: &Observed) -> (Verdict, String) {
    match observed {
        Observed::Crashed { how } => (Verdict::WontOpen, format!("recovery {how}")),
        Observed::Shot => (Verdict::Inconclusive, "a SIGKILL that we did not send ended the recovery".into()),
        Observed::Hung { limit_ms } => (Verdict::WontOpen, format!("recovery did not come back within {limit_ms} ms")),
        opened => unreachable!("it opened: {opened:?}"),
    }
}

/// What it costs to go on from `observed` under `promise`.
pub(crate) fn consequences(generations: &mut dyn Generations, promise: Promise, observed: &Observed) -> Consequences {
    let mut holes: &[Generation] = &[];
    let found = match observed {
        Observed::State { generation: Some(found), mixed, digest, .. } if !mixed.is_empty() => {
            return generations.consequences_of_parts(promise.acked, *found, mixed, *digest);
        }
        Observed::State { generation: Some(found), missing, .. } => {
            holes = missing;
            Found::State(*found)
        }
        // What it costs to go on from a content that nobody made is not known.
        Observed::State { generation: None, .. }
        | Observed::Opened
        | Observed::Garbage { .. }
        | Observed::Damaged { .. }
        | Observed::Unclear { .. } => {
            return Consequences::default();
        }
        Observed::Fresh => Found::Fresh,
        Observed::Refused { .. } | Observed::Crashed { .. } | Observed::Hung { .. } | Observed::Shot => Found::Refused,
    };
    generations.consequences(promise.acked, found, holes)
}

#[cfg(test)]
mod tests {
    use crashtest_model::{Digest, Gaps};
    use proptest::prelude::*;

    use super::*;

    fn raw(state: RawState) -> RawFile {
        RawFile { state, length: None, tear_offset: None, whole_length: None }
    }

    fn state(generation: Option<u64>) -> Observed {
        Observed::State { generation: generation.map(Generation), digest: Digest(1), missing: vec![], mixed: vec![] }
    }

    fn verdict(promise: Promise, observed: &Observed, raw_state: RawState) -> Verdict {
        judge(promise, observed, &raw(raw_state)).0
    }

    fn any_promise() -> impl Strategy<Value = Promise> {
        (0u64..1000, 0u64..2, any::<bool>()).prop_map(|(acked, in_flight, installed)| Promise {
            acked: Generation(acked),
            begun: Generation(acked + in_flight),
            installed: installed || acked > 0,
            gaps: Gaps::NONE,
        })
    }

    proptest! {
        #[test]
        fn a_recovered_state_is_intact_exactly_between_acked_and_begun(promise in any_promise(), found in 0u64..1003) {
            let expected = match found {
                _ if found < promise.acked.0 => Verdict::LostAck,
                _ if found > promise.begun.0 => Verdict::AcceptedGarbage,
                _ => Verdict::Intact,
            };
            prop_assert_eq!(verdict(promise, &state(Some(found)), RawState::Whole), expected);
        }

        #[test]
        fn promising_more_never_makes_a_verdict_better(promise in any_promise(), found in 0u64..1003) {
            let more = Promise { acked: promise.begun, ..promise };
            let (less, more) = (
                verdict(promise, &state(Some(found)), RawState::Whole),
                verdict(more, &state(Some(found)), RawState::Whole),
            );
            prop_assert!(more <= less || less != Verdict::Intact, "worse verdicts sort first");
        }

        #[test]
        fn what_no_save_made_is_garbage_whatever_was_promised(promise in any_promise()) {
            prop_assert_eq!(verdict(promise, &state(None), RawState::Whole), Verdict::AcceptedGarbage);
        }

        #[test]
        fn a_fresh_start_is_intact_only_before_init_has_returned(promise in any_promise()) {
            let expected = if promise.installed { Verdict::SilentReset } else { Verdict::Intact };
            prop_assert_eq!(verdict(promise, &Observed::Fresh, RawState::Missing), expected);
        }
    }

    #[test]
    fn a_refusal_is_named_after_the_file_that_was_refused() {
        let promise = Promise { installed: true, ..Promise::default() };
        let refused = Observed::Refused { why: "EOF while parsing".into(), damage: None };
        for (state, expected) in [
            (RawState::Missing, Verdict::Missing),
            (RawState::Empty, Verdict::Empty),
            (RawState::ZeroFilled, Verdict::Empty),
            (RawState::Partial, Verdict::Torn),
            (RawState::Other, Verdict::Torn),
            (RawState::Whole, Verdict::WontOpen),
        ] {
            assert_eq!(verdict(promise, &refused, state), expected);
        }
    }
}
