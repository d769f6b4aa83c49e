//! Where in its work a victim was when it died, as the victim itself marked it on the board.
//!
//! A phase is an [`Activity`] (recovery, save, …) and a [`Moment`] in it (inside a call, after a call). It is the victim's own
//! view: "in write" spans the instructions just around the system call too. What the kernel had done of it is read from the files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The gap between the write that completes a file and the next file-changing call.
pub const LAST_WRITE: &str = "after the last write";

/// What a victim is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Forked, nothing done yet.
    Starting,
    /// Installing generation 0.
    Init,
    /// Opening the state that a crash left.
    Recovery,
    /// Between two saves.
    Idle,
    /// Persisting a generation.
    Save,
    /// Stopping cleanly.
    Close,
}

impl Activity {
    const ALL: [Activity; 6] =
        [Activity::Starting, Activity::Init, Activity::Recovery, Activity::Idle, Activity::Save, Activity::Close];

    fn name(self) -> &'static str {
        match self {
            Activity::Starting => "starting",
            Activity::Init => "init",
            Activity::Recovery => "recovery",
            Activity::Idle => "idle",
            Activity::Save => "save",
            Activity::Close => "close-down",
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A file operation of `kit::fs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// open(2) with O_CREAT and O_TRUNC.
    Create,
    /// open(2) that neither makes nor empties a file that is there.
    Open,
    /// read(2).
    Read,
    /// write(2).
    Write,
    /// ftruncate(2).
    Truncate,
    /// fsync(2) of a file.
    Fsync,
    /// fdatasync(2).
    Fdatasync,
    /// fsync(2) of a directory.
    FsyncDir,
    /// close(2).
    Close,
    /// rename(2).
    Rename,
    /// unlink(2).
    Unlink,
    /// mkdir(2).
    Mkdir,
    /// Listing a directory.
    List,
    /// flock(2).
    Lock,
}

impl Call {
    const ALL: [Call; 14] = [
        Call::Create,
        Call::Open,
        Call::Read,
        Call::Write,
        Call::Truncate,
        Call::Fsync,
        Call::Fdatasync,
        Call::FsyncDir,
        Call::Close,
        Call::Rename,
        Call::Unlink,
        Call::Mkdir,
        Call::List,
        Call::Lock,
    ];

    /// The name that reports and files use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Call::Create => "create",
            Call::Open => "open",
            Call::Read => "read",
            Call::Write => "write",
            Call::Truncate => "truncate",
            Call::Fsync => "fsync",
            Call::Fdatasync => "fdatasync",
            Call::FsyncDir => "fsync-dir",
            Call::Close => "close",
            Call::Rename => "rename",
            Call::Unlink => "unlink",
            Call::Mkdir => "mkdir",
            Call::List => "list",
            Call::Lock => "lock",
        }
    }

    /// Returns whether this call changes what a restart finds in the page cache: the calls between which gaps are counted.
    #[must_use]
    pub fn changes_files(self) -> bool {
        matches!(self, Call::Create | Call::Write | Call::Truncate | Call::Rename | Call::Unlink | Call::Mkdir)
    }
}

/// Where in its activity a victim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Before the activity's first call.
    Before,
    /// Inside a call.
    In(Call),
    /// After a call returned, before the next one.
    After(Call),
}

/// Where in its work a victim is: the word it keeps up to date on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase {
    /// What it is doing.
    pub activity: Activity,
    /// Where in it.
    pub moment: Moment,
    /// The last file-changing call that was begun, with its number in its row of equal calls, from 1.
    pub changing: Option<(Call, u16)>,
    /// Whether that call belongs to an activity before this one.
    pub carried: bool,
}

impl Phase {
    /// The start of an activity.
    #[must_use]
    pub fn start_of(activity: Activity) -> Phase {
        Phase { activity, moment: Moment::Before, changing: None, carried: false }
    }

    /// The start of the next activity of the same life: what changed the files last is still known.
    #[must_use]
    pub fn then(self, activity: Activity) -> Phase {
        Phase { changing: self.changing, carried: true, ..Phase::start_of(activity) }
    }

    /// The same activity, now inside `call`.
    #[must_use]
    pub fn inside(mut self, call: Call) -> Phase {
        self.moment = Moment::In(call);
        if call.changes_files() {
            // A row of more than 65,535 equal calls shares its last number.
            let row = self.changing.filter(|(last, _)| *last == call && !self.carried).map_or(0, |(_, n)| n);
            self.changing = Some((call, row.saturating_add(1)));
            self.carried = false;
        }
        self
    }

    /// The phase as one word for the board: activity, moment, call, last changing call, its number (16 bits), carried.
    #[must_use]
    pub fn pack(self) -> u64 {
        let position = |call: Call| 1 + Call::ALL.iter().position(|c| *c == call).unwrap_or(0) as u64;
        let activity = Activity::ALL.iter().position(|a| *a == self.activity).unwrap_or(0) as u64;
        let (stage, call) = match self.moment {
            Moment::Before => (0, 0),
            Moment::In(call) => (1, position(call)),
            Moment::After(call) => (2, position(call)),
        };
        let (changing, number) = self.changing.map_or((0, 0), |(call, n)| (position(call), u64::from(n)));
        activity | stage << 8 | call << 16 | changing << 24 | number << 32 | u64::from(self.carried) << 48
    }

    /// The phase that [`pack`](Phase::pack) made; `None` for a word that it cannot have made.
    #[must_use]
    pub fn unpack(word: u64) -> Option<Phase> {
        let byte = |shift: u32| usize::from((word >> shift) as u8);
        let call = |n: usize| n.checked_sub(1).and_then(|n| Call::ALL.get(n)).copied();
        let activity = *Activity::ALL.get(byte(0))?;
        let moment = match byte(8) {
            0 => Moment::Before,
            1 => Moment::In(call(byte(16))?),
            2 => Moment::After(call(byte(16))?),
            _ => return None,
        };
        let number = (word >> 32) as u16;
        let changing = match byte(24) {
            0 => None,
            n => Some((call(n)?, number)),
        };
        Some(Phase { activity, moment, changing, carried: word >> 48 == 1 })
    }

    /// Returns whether a kill here landed inside a save.
    #[must_use]
    pub fn in_save(self) -> bool {
        self.activity == Activity::Save
    }

    /// The gap between two successive file-changing calls of a save in which this phase lies, named after the call before it;
    /// `None` outside of one. The time from the last change of one save to the first of the next is one gap.
    ///
    /// "the last write" is the write after which the file was synced or closed, or the save was over.
    #[must_use]
    pub fn gap(self) -> Option<String> {
        match (self.activity, self.moment) {
            (Activity::Save, Moment::In(call)) if call.changes_files() => return None,
            (Activity::Save | Activity::Idle, _) => {}
            _ => return None,
        }
        Some(match (self.changing, self.moment) {
            // Before the first change of the life.
            (None, _) => return None,
            (Some((Call::Write, n)), Moment::After(Call::Write)) if !self.carried => format!("after write {n}"),
            (Some((Call::Write, _)), _) => LAST_WRITE.to_owned(),
            (Some((call, _)), _) => format!("after {}", call.name()),
        })
    }
}

/// `save:in-write`, `recovery:after-open`, `idle`: the name that histograms and signatures use.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.moment {
            Moment::Before if self.activity == Activity::Save => "save:before-first-call".to_owned(),
            Moment::Before => self.activity.name().to_owned(),
            Moment::In(call) => format!("{}:in-{}", self.activity.name(), call.name()),
            Moment::After(call) => format!("{}:after-{}", self.activity.name(), call.name()),
        };
        f.pad(&name)
    }
}

/// One call of a victim as it marked it on the board: the last ones before the kill are evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMark {
    /// What it was doing.
    pub activity: Activity,
    /// The call.
    pub call: Call,
    /// What the call was made on, relative to the state directory; `a → b` for a rename.
    pub on: String,
    /// The file offset in bytes, for reads and writes.
    pub offset: u64,
    /// The length in bytes, for reads and writes.
    pub length: u64,
    /// Whether the call returned.
    pub returned: bool,
}

impl fmt::Display for CallMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {:<9} {}", self.activity.name(), self.call.name(), self.on)?;
        if matches!(self.call, Call::Read | Call::Write) {
            write!(f, " {} bytes at {}", self.length, self.offset)?;
        }
        if self.returned { Ok(()) } else { write!(f, "  ← killed before this returned") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_phase() -> impl Strategy<Value = Phase> {
        let call = || (0..Call::ALL.len()).prop_map(|n| Call::ALL[n]);
        let moment = prop_oneof![Just(Moment::Before), call().prop_map(Moment::In), call().prop_map(Moment::After),];
        let activity = (0..Activity::ALL.len()).prop_map(|n| Activity::ALL[n]);
        (activity, moment, proptest::option::of((call(), any::<u16>())), any::<bool>())
            .prop_map(|(activity, moment, changing, carried)| Phase { activity, moment, changing, carried })
    }

    proptest! {
        #[test]
        fn a_phase_survives_the_board_word(phase in any_phase()) {
            prop_assert_eq!(Phase::unpack(phase.pack()), Some(phase));
        }

        #[test]
        fn any_word_unpacks_to_a_phase_or_to_nothing(word: u64) {
            if let Some(phase) = Phase::unpack(word) {
                prop_assert_eq!(Phase::unpack(phase.pack()), Some(phase));
            }
        }
    }

    #[test]
    fn a_kill_inside_a_changing_call_lies_in_no_gap() {
        let writing = Phase::start_of(Activity::Save).inside(Call::Create).inside(Call::Write).inside(Call::Write);
        assert_eq!(writing.gap(), None);
        let between = Phase { moment: Moment::After(Call::Write), ..writing };
        assert_eq!(between.gap().unwrap(), "after write 2");
        assert_eq!(writing.inside(Call::Close).gap().unwrap(), "after the last write");
    }

    #[test]
    fn what_a_save_changed_last_is_known_until_the_next_one_changes_something() {
        let saved = Phase::start_of(Activity::Save).inside(Call::Write);
        let next = saved.then(Activity::Idle).then(Activity::Save);
        assert_eq!(next.gap().unwrap(), "after the last write");
        assert_eq!(next.inside(Call::Open).gap().unwrap(), "after the last write");
        assert_eq!(next.inside(Call::Open).inside(Call::Write).changing, Some((Call::Write, 1)), "a new row");
        let renamed = saved.inside(Call::Rename).then(Activity::Idle);
        assert_eq!(renamed.gap().unwrap(), "after rename");
        assert_eq!(Phase::start_of(Activity::Idle).gap(), None, "nothing was changed yet");
    }
}
