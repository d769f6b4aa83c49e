//! How thoroughly a subject is gone through: a life of a target takes a millisecond, one of a program a tenth of a second.

use crashtest_model::Start;

/// How thoroughly a subject is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The first lives that are swept.
    pub(crate) starts: &'static [Start],
    /// Saves of the life that is swept, where it starts on an installed state.
    pub(crate) saves: u64,
    /// Which crash points are confirmed by a real kill.
    pub(crate) confirms: Confirms,
    /// After which crash states the next life is swept as well.
    pub(crate) second_lives: SecondLives,
    /// On so many damaged crash states of each verdict a life is started, to see what it makes of them.
    pub(crate) starts_on_damage: usize,
    /// Whether crash states of each kind are looked at before the others: a restart takes long.
    pub(crate) looks_around_first: bool,
    /// Whether a life makes as many saves as its script says.
    pub(crate) follows_scripts: bool,
    /// Whether each recording of a life makes the same calls, whoever records it.
    pub(crate) repeats: bool,
}

/// Which crash points are confirmed by a real kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirms {
    /// All that break a claim, and of the rest one in so many, drawn from the seed.
    OneIn {
        /// In the first life.
        first: u64,
        /// In the lives after it, which are much alike.
        nested: u64,
    },
    /// So many of each kind.
    Each {
        /// Of those that show nothing: evenly spread over the run, and one of each place.
        intact: usize,
        /// Of each place and verdict that break a claim.
        failing: u64,
        /// Of those that show nothing, in a life after a crash: drawn from the seed.
        nested: usize,
    },
}

/// After which crash states the next life is swept as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondLives {
    /// After all.
    All,
    /// After some, evenly spread: as many as make about so many calls together.
    Some {
        /// At least so many.
        fewest: u64,
        /// At most so many.
        most: u64,
        /// The calls that they make together.
        calls: u64,
    },
}

impl SecondLives {
    /// How many there are, at most, after a life of so many calls.
    pub(crate) fn at_most(self, calls: u64) -> usize {
        match self {
            SecondLives::All => usize::MAX,
            SecondLives::Some { fewest, most, calls: together } => {
                (together / calls.max(1)).clamp(fewest, most) as usize
            }
        }
    }
}
