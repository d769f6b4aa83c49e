//! What a campaign is going to do: all of it follows from a [`Plan`], on any machine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Aim, Bytes, Check, Concurrency, Conditions, Confirm, Fault, KillAt, Loader, Program, Seed, Signal, Tears};

/// Trials in a row that share one directory, life after life. Whole series are handed to workers, so the plan does not depend on
/// their number. Damage compounds within a series as it does in production.
pub const SERIES_LENGTH: u64 = 100;

/// Saves after recovery among which a kill is drawn, evenly: half of the lives reach the middle of the third.
const SAVES_PER_LIFE: f64 = 5.0;
/// The crash points of all lives after a crash of a program of somebody's own, where nobody says how many. First with a checker
/// that is started for each, then with one that is not.
const CHECKED_EACH: u64 = 512;
const CHECKED_TOGETHER: u64 = 4096;
/// The most saves of a life, but for one: twice as many as kills are aimed at. Should the kill come later, the life waits for it.
pub const MOST_SAVES: u64 = 10;
/// The share of lives killed inside recovery under `--kill-at any`.
const RECOVERY_SHARE: f64 = 0.10;
/// The share of lives killed between two file-changing calls, each gap as often as any other. By the clock alone, a gap is hit in
/// proportion to its length: the shortest would hardly be.
const GAP_SHARE: f64 = 0.25;
/// The share of lives killed between two saves under `--kill-at any`, for a writer that idles.
const IDLE_SHARE: f64 = 0.10;

/// Strategy × workload, and how they are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpec {
    /// The strategy's name.
    pub strategy: String,
    /// The workload's name.
    pub workload: String,
    /// What the loader does with damage.
    pub loader: Loader,
    /// The bound on the encoded state.
    pub state_size: Bytes,
    /// How long the writer idles between two saves.
    pub idle_us: u64,
    /// Writers that share the state.
    #[serde(default = "one")]
    pub writers: u32,
    /// Whether the writers are threads of one process, and not processes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub threads: bool,
    /// Processes that load the state all the while.
    #[serde(default)]
    pub readers: u32,
}

impl TargetSpec {
    /// Returns whether several processes share the state.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.writers > 1 || self.readers > 0
    }
}

/// How much to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Trials with a state installed; `None`: until the time is up.
    pub iterations: Option<u64>,
    /// Wall-clock limit of the trials.
    pub duration_ms: Option<u64>,
    /// Wall-clock limit of all of it, the control included, whatever there is still to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// Stop after so many failing trials.
    pub max_failures: Option<u64>,
    /// Worker processes.
    pub jobs: usize,
}

/// A bug planted into the harness itself: the self-test must see that it does not pass as green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HarnessBug {
    /// A worker that never sends the kill.
    NoKill,
    /// A worker that dies in its sixth trial.
    WorkerDies,
    /// A sweep that derives other files than a kill leaves.
    Misderives,
    /// A victim that writes over its board after each save.
    OverwritesBoard,
}

/// One campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is under test.
    pub target: TargetSpec,
    /// What is injected. The control, [`Fault::None`], always comes first, named or not.
    #[serde(default = "kill_alone")]
    pub faults: Vec<Fault>,
    /// Which part of a life is killed.
    pub kill_at: KillAt,
    /// By which signal.
    #[serde(default)]
    pub signal: Signal,
    /// Inside which bytes of a write a sweep crashes.
    #[serde(default)]
    pub tears: Tears,
    /// Which crash points of a sweep are reached by a real kill as well.
    #[serde(default)]
    pub confirm: Confirm,
    /// The most crash points or failing calls of one fault; `None`: all there are. They are spread evenly over all there are.
    #[serde(default)]
    pub max_states: Option<u64>,
    /// The master seed.
    pub seed: Seed,
    /// How much to do.
    pub budget: Budget,
    /// A fresh directory for each trial instead of life after life.
    pub fresh: bool,
    /// The limit for one recovery or one save, in milliseconds.
    pub limit_ms: u64,
    /// Where the sandbox is made.
    pub sandbox_parent: PathBuf,
    /// A bug planted into the harness, for its self-test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<HarnessBug>,
    /// The program that is under test in place of a strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
}

impl Plan {
    /// The seed of trial `trial`.
    #[must_use]
    pub fn trial_seed(&self, trial: u64) -> Seed {
        self.seed.derive("trial", trial)
    }

    /// The seed of first-start trial `trial`.
    #[must_use]
    pub fn first_start_seed(&self, trial: u64) -> Seed {
        self.seed.derive("first-start", trial)
    }

    /// The series that trial `trial` belongs to.
    #[must_use]
    pub fn series_of(trial: u64) -> u64 {
        trial / SERIES_LENGTH
    }

    /// The seed of the operations that series `series` persists.
    #[must_use]
    pub fn stream(&self, series: u64) -> Seed {
        self.seed.derive("stream", series)
    }

    /// Returns how lives are lived and ended under `fault`: by the plan's signal only where nothing but the moment counts.
    #[must_use]
    pub fn conditions(&self, fault: Fault) -> Conditions {
        let signal = if fault == Fault::Kill { self.signal } else { Signal::Kill };
        let concurrency = match self.target {
            TargetSpec { writers: 2.., threads: true, .. } => Concurrency::Threads,
            TargetSpec { writers: 2.., .. } => Concurrency::Writers,
            TargetSpec { readers: 1.., .. } => Concurrency::Readers,
            _ => Concurrency::None,
        };
        Conditions { concurrency, signal }
    }

    /// Who lives together, where that is not one writer alone: "2 writers", "2 threads", "1 reader".
    #[must_use]
    pub fn participants(&self) -> Vec<String> {
        let several = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let TargetSpec { writers, threads, readers, .. } = self.target;
        let mut words = Vec::new();
        words.extend((writers > 1).then(|| several(writers, if threads { "thread" } else { "writer" })));
        words.extend((readers > 0).then(|| several(readers, "reader")));
        words
    }

    /// Returns whether anything is killed.
    #[must_use]
    pub fn kills(&self) -> bool {
        self.faults.contains(&Fault::Kill)
    }

    /// Returns whether anything is swept or made to fail: one recorded run, repeated.
    #[must_use]
    pub fn is_exhaustive(&self) -> bool {
        self.faults.iter().any(|fault| fault.is_exhaustive())
    }

    /// Returns how many trials there are with a state installed, if no time limit ends them; `None`: as many as there is time for.
    #[must_use]
    pub fn trials(&self) -> Option<u64> {
        if self.kills() { self.budget.iterations } else { Some(0) }
    }

    /// Returns how many first-start trials go with the campaign: one in twenty, at least 20, at most 500.
    #[must_use]
    pub fn first_starts(&self) -> u64 {
        if !self.kills() || self.target.is_shared() || self.program.is_some() {
            return 0;
        }
        self.budget.iterations.map_or(100, |n| (n / 20).clamp(20, 500).min(n))
    }

    /// Returns where trial `trial` is aimed.
    #[must_use]
    pub fn aim(&self, trial: u64) -> Aim {
        let seed = self.trial_seed(trial);
        let share = seed.derive("share", 0).unit();
        let within = seed.derive("position", 0).unit();
        let saves = within * SAVES_PER_LIFE;
        let (recovery, gap, idle) = match self.kill_at {
            KillAt::Any if self.target.idle_us > 0 => (RECOVERY_SHARE, GAP_SHARE, IDLE_SHARE),
            KillAt::Any => (RECOVERY_SHARE, GAP_SHARE, 0.0),
            KillAt::Save => (0.0, GAP_SHARE, 0.0),
            KillAt::Recovery => (if trial % 2 == 1 { 1.0 } else { 0.0 }, 0.0, 0.0),
        };
        if share < recovery {
            let by_the_clock = seed.derive("by-the-clock", 0).unit() < 0.5;
            if by_the_clock { Aim::Recovery(within) } else { Aim::RecoveryGap(within) }
        } else if share < recovery + gap {
            Aim::Gap(saves)
        } else if share < recovery + gap + idle {
            Aim::Idle(saves)
        } else {
            Aim::Save(saves)
        }
    }

    /// Those of `all` crash points or failing calls that are within the bound, evenly spread. They are shared among `lives`, each of
    /// which gets one at least.
    #[must_use]
    pub fn spread<T: Copy>(&self, all: Vec<T>, lives: usize) -> Vec<T> {
        let bound = self.max_states.or(self.program.as_ref().filter(|_| lives > 1).map(most_again));
        let most = bound.map(|most| most.div_ceil(lives.max(1) as u64));
        match most {
            Some(most) if (all.len() as u64) > most => {
                (0..most).map(|n| all[(n * all.len() as u64 / most) as usize]).collect()
            }
            _ => all,
        }
    }

    /// Returns where first-start trial `trial` is aimed.
    #[must_use]
    pub fn first_start_aim(&self, trial: u64) -> Aim {
        Aim::Init(self.first_start_seed(trial).derive("position", 0).unit())
    }
}

fn most_again(program: &Program) -> u64 {
    if matches!(program.check, Some(Check::Each(_))) { CHECKED_EACH } else { CHECKED_TOGETHER }
}

fn one() -> u32 {
    1
}

/// Returns what a run of an earlier version, which did not write it down, injected.
fn kill_alone() -> Vec<Fault> {
    vec![Fault::Kill]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(seed: u64, kill_at: KillAt, idle_us: u64) -> Plan {
        Plan {
            target: TargetSpec {
                strategy: "direct".into(),
                workload: "fills".into(),
                loader: Loader::Strict,
                state_size: Bytes::kib(64),
                idle_us,
                writers: 1,
                threads: false,
                readers: 0,
            },
            faults: vec![Fault::Kill],
            kill_at,
            signal: Signal::Kill,
            tears: Tears::Kernel,
            confirm: Confirm::Sample,
            max_states: None,
            seed: Seed(seed),
            budget: Budget { iterations: Some(1000), duration_ms: None, max_ms: None, max_failures: None, jobs: 1 },
            fresh: false,
            limit_ms: 1000,
            sandbox_parent: "/tmp".into(),
            planted: None,
            program: None,
        }
    }

    #[test]
    fn a_plan_of_an_earlier_version_still_reads() {
        let mut json = serde_json::to_value(plan(1, KillAt::Any, 0)).unwrap();
        for later in ["faults", "tears", "confirm", "max_states", "signal"] {
            json.as_object_mut().unwrap().remove(later).unwrap();
        }
        for later in ["writers", "readers"] {
            json["target"].as_object_mut().unwrap().remove(later).unwrap();
        }
        assert_eq!(serde_json::from_value::<Plan>(json).unwrap(), plan(1, KillAt::Any, 0));
    }

    proptest! {
        #[test]
        fn aims_follow_from_the_seed_and_the_number_alone(seed: u64, trial in 0u64..1_000_000) {
            let mut other = plan(seed, KillAt::Any, 0);
            other.budget.jobs = 7;
            other.budget.iterations = Some(5);
            prop_assert_eq!(plan(seed, KillAt::Any, 0).aim(trial), other.aim(trial));
        }

        #[test]
        fn a_plan_covers_saves_recovery_and_idle_in_its_shares(seed: u64) {
            let plan = plan(seed, KillAt::Any, 10_000);
            let count = |wanted: fn(&Aim) -> bool| (0..4000).filter(|t| wanted(&plan.aim(*t))).count();
            prop_assert!((280..540).contains(&count(|a| a.into_recovery())));
            prop_assert!((280..540).contains(&count(|a| matches!(a, Aim::Idle(_)))));
            prop_assert!((800..1200).contains(&count(|a| matches!(a, Aim::Gap(_)))));
            prop_assert!((1900..2500).contains(&count(|a| matches!(a, Aim::Save(_)))));
        }

        #[test]
        fn half_of_the_save_aims_lie_past_the_middle_of_the_third_save(seed: u64) {
            let plan = plan(seed, KillAt::Save, 0);
            let late = (0..4000).filter(|t| matches!(plan.aim(*t), Aim::Save(at) | Aim::Gap(at) if at >= 2.5)).count();
            prop_assert!((1850..2150).contains(&late));
        }
    }
}
