//! A planned trial, before anything has come of it.

use crashtest_model::{Aim, FailureDetail, Plan, Seed};

/// One planned trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) number: u64,
    pub(crate) seed: Seed,
    pub(crate) aim: Aim,
}

impl Trial {
    /// Trial `number` of `plan`.
    pub(crate) fn planned(plan: &Plan, number: u64) -> Trial {
        Trial { number, seed: plan.trial_seed(number), aim: plan.aim(number) }
    }

    /// Control life `number` of `plan`: it stops cleanly after one to six saves.
    pub(crate) fn control(plan: &Plan, number: u64) -> Trial {
        let seed = plan.seed.derive("control", number);
        Trial { number, seed, aim: Aim::Save((1 + seed.0 % 6) as f64) }
    }
}

/// A detail that is only a sentence.
pub(crate) fn because(why: &str) -> Option<FailureDetail> {
    Some(FailureDetail { why: why.to_owned(), ..FailureDetail::default() })
}
