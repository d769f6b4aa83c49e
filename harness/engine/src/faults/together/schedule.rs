//! Schedules: two writers, call by call. One makes so many calls of a save and is held, then the other one, then all go on or are
//! killed. With two writers and two switches these are all there are, up to which of the two begins.

use crashtest_kit::Hold;
use crashtest_model::{Aim, Ending, Signal};

use super::participants::Participants;
use super::process::Pause;
use crate::error::EngineError;
use crate::subject::life::Script;

/// With a state that the writers change between them, what their operations are counts as much as when they come: each schedule is run
/// with so many different ones.
const OPERATIONS: usize = 3;
/// Saves from which it is learnt how many calls one makes.
const MEASURED: u64 = 6;
/// Calls that another save may make more than any of these.
const MORE: u64 = 2;

impl Participants<'_, '_, '_> {
    /// Learns the most calls that a save makes, from a writer on its own.
    pub(super) fn measure(&mut self) -> Result<(), EngineError> {
        self.forget();
        let seed = self.stream.derive("measure", 0);
        let writer = self.forked(0, seed, Script::Save(Hold::Step { after: 0, calls: u64::MAX }, Signal::Kill))?;
        for n in 1..=MEASURED {
            let pause = self.until_pause(&writer)?;
            self.calls = self.calls.max(writer.board.calls_of_save());
            if pause != Pause::Held {
                break;
            }
            writer.board.let_go(Hold::Step { after: n, calls: u64::MAX });
        }
        writer.end(self.victims)?;
        self.anew()
    }

    /// Every pair of positions with each of `endings`.
    pub(super) fn schedules(&self, endings: &[Ending]) -> Vec<Aim> {
        let positions = 0..=u32::try_from(self.calls + MORE).unwrap_or(u32::MAX);
        let then = if self.writers() > 1 { positions.clone() } else { 0..=0 };
        let pairs = positions.flat_map(|first| then.clone().map(move |then| (first, then)));
        let alone = |ending: &&Ending| self.writers() > 1 || matches!(ending, Ending::Finish | Ending::KillAll);
        let aims = |(first, then)| {
            endings.iter().filter(alone).map(move |ending| Aim::Together { first, then, ending: *ending })
        };
        let different = if self.shared.is_some() { OPERATIONS } else { 1 };
        pairs.flat_map(|pair| std::iter::repeat_n(pair, different)).flat_map(aims).collect()
    }
}
