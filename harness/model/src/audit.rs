//! What an audit found: how a program writes each of its files, and what a kill could have left of them, from one recorded run.
//!
//! Nothing was killed. Without a checker nothing was started again either: it is about files being whole, not about what the program
//! makes of them.

mod database;
mod failure;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::database::{Database, DatabaseKind};
pub use self::failure::{AuditFailure, KeptAuditFailure, Recheck};
use crate::{Check, CrashPoint, Digest, Environment, Promise, RawFile, Sensitivity, Verdict};

/// The version of the JSON of an audit: another one has other fields.
pub const AUDIT_FORMAT: u32 = 2;

/// A way to write a file, the one that hurts most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Removed or moved away, then made anew under its name.
    DeleteThenWrite,
    /// Emptied, then written.
    TruncateAndWrite,
    /// Removed or moved away, then another file renamed to its place.
    DeleteThenRename,
    /// A new file renamed to its place before anything was written to it.
    RenameEarly,
    /// Written over from its start to its end, without being emptied.
    Rewrite,
    /// Parts of it written over.
    InPlace,
    /// Through a shared mapping: which bytes, and when, is not seen.
    Map,
    /// Written behind what was there.
    Append,
    /// Made and written under its own name.
    Create,
    /// Written under another name, then renamed to its own.
    Rename,
    /// Written under another name or none, then linked to its own.
    Link,
    /// Renamed, not written.
    Move,
    /// Removed, or moved away, and left so.
    Remove,
}

impl Way {
    /// The words for it.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Way::DeleteThenWrite => "delete-then-write",
            Way::TruncateAndWrite => "truncate-and-write",
            Way::DeleteThenRename => "delete, then rename",
            Way::RenameEarly => "temp + rename before it was written",
            Way::Rewrite => "rewritten in place",
            Way::InPlace => "in place",
            Way::Map => "shared mapping",
            Way::Append => "append",
            Way::Create => "created and written",
            Way::Rename => "temp + rename",
            Way::Link => "temp + link",
            Way::Move => "moved",
            Way::Remove => "removed",
        }
    }
}

/// What was synced when it mattered. The file: after its last byte, and before it got its name where it was written under another.
/// The directory: after the name was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Synced {
    /// Neither.
    Nothing,
    /// The directory.
    Directory,
    /// The file.
    File,
    /// Both.
    Both,
}

impl Synced {
    /// Returns whether the file was.
    #[must_use]
    pub fn file(self) -> bool {
        matches!(self, Synced::File | Synced::Both)
    }

    /// Returns whether the directory was.
    #[must_use]
    pub fn directory(self) -> bool {
        matches!(self, Synced::Directory | Synced::Both)
    }
}

/// How often a file was written in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Written {
    /// The way.
    pub way: Way,
    /// What was synced each time.
    pub synced: Synced,
    /// How often.
    pub count: u64,
}

/// What a file is that is none of its versions, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// A part of a version, or a mixture of two.
    Torn,
    /// No byte.
    Empty,
    /// Not there.
    Missing,
}

impl Damage {
    /// Every kind.
    pub const ALL: [Damage; 3] = [Damage::Torn, Damage::Empty, Damage::Missing];
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Damage::Torn => "torn",
            Damage::Empty => "empty",
            Damage::Missing => "missing",
        })
    }
}

/// What a kill can do to a file, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnderKill {
    /// Leave it torn, empty or missing.
    Broken,
    /// Not known: what the run left in it is not what its calls come to.
    Unknown,
    /// Leave it between two versions; whether that is damage, only what reads it can say.
    NeedsCheck,
    /// Leave it torn or empty when it is made; the run made it once and wrote over nothing.
    WrittenOnce,
    /// Nothing: it is a whole version at every crash point.
    Whole,
}

/// A crash point at which a file is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// What the file is then.
    pub damage: Damage,
    /// Where the crash comes.
    pub point: CrashPoint,
    /// In words: "inside call 3, after 4096 bytes".
    pub place: String,
    /// The call at that place.
    pub call: String,
    /// Bytes of the version before; `None` where the file was not there.
    pub before: Option<u64>,
    /// Bytes of the version that was being written; `None` where that is no file, or is none.
    pub after: Option<u64>,
    /// Bytes found.
    pub found: Option<u64>,
    /// Another file that then holds the version before or the one being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// The digests of these versions, as far as they are files: what is found is none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Digest>,
}

/// A state file: one that is there before the run or after it, and that the run changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedFile {
    /// Its name below the directory.
    pub path: String,
    /// How it is written, worst way first.
    pub written: Vec<Written>,
    /// What a kill can do to it.
    pub under_kill: UnderKill,
    /// At how many crash points it is none of its versions, by what it is then.
    pub damage: BTreeMap<Damage, u64>,
    /// Files that the same run changed and that it may depend on, the likeliest first; only where it needs a checker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// The worst crash point, where it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// The database that it is, with all files of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Whether it was not there before the run, and is judged as if it had been: the next run empties it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_if_there: bool,
}

/// A file that the run changed and that was not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedFile {
    /// Its name below the directory.
    pub path: String,
    /// The pattern that it matches.
    pub pattern: String,
}

/// What one recorded run shows of a program's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Calls that were recorded.
    pub calls: u64,
    /// Processes that made them.
    pub processes: u32,
    /// Crash points that were looked at: before and after each call, inside each write, and at the end.
    pub crash_points: u64,
    /// Crash points that were not: tears inside long writes, and others where a run writes to very long files.
    pub left_out: u64,
    /// Different states of the changed files that crashes at these points leave.
    pub distinct_states: u64,
    /// The state files, worst first.
    pub files: Vec<AuditedFile>,
    /// Names that were there only while the program ran.
    pub temporaries: Vec<String>,
    /// Files that were not judged.
    pub excluded: Vec<ExcludedFile>,
    /// Paths outside the directory that were written.
    pub outside: Vec<String>,
    /// Calls that may change files and that crashtest has no model of, by name, and how often.
    pub unmodelled: BTreeMap<String, u64>,
    /// Whether calls overlapped: what is found is the worst in any order in which they can have taken effect.
    pub concurrent: bool,
}

impl Audit {
    /// Returns how many state files a kill can leave like this.
    #[must_use]
    pub fn count(&self, under_kill: UnderKill) -> usize {
        self.files.iter().filter(|file| file.under_kill == under_kill).count()
    }
}

/// What a checker said of the crash states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The checker.
    pub check: Check,
    /// Distinct crash states that it was asked about.
    pub states: u64,
    /// Those that it was not asked about, to stay within a bound or as somebody had enough.
    #[serde(default)]
    pub left_out: u64,
    /// At how many crash points it came to what.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// The first crash point of the worst verdict, where a claim is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<CheckedExample>,
    /// How it takes planted damage.
    #[serde(rename = "tried")]
    pub sensitivity: Sensitivity,
    /// Whether it says which state it finds, and not only that there is one.
    #[serde(default)]
    pub names_states: bool,
}

impl Checked {
    /// Crash points at which a claim is broken.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.verdicts.iter().filter(|(verdict, _)| verdict.is_violation()).map(|(_, points)| points).sum()
    }
}

/// A crash point at which a checker found something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedExample {
    /// What that is.
    pub verdict: Verdict,
    /// One sentence.
    pub why: String,
    /// Where the crash comes.
    pub point: CrashPoint,
    /// In words: "inside call 3, after 4096 bytes".
    pub place: String,
    /// The call at that place.
    pub call: String,
    /// What the program had promised by then.
    #[serde(default)]
    pub promise: Promise,
    /// What its files are like then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawFile>,
}

/// What an audit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditJudgement {
    /// A crash state is no good.
    Broken,
    /// It proves nothing.
    Inconclusive,
    /// No crash state is known to be bad.
    Unbroken,
}

/// An audit with what was run: what the report is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// [`AUDIT_FORMAT`].
    pub format: u32,
    /// When it started, UTC, RFC 3339; only where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// On what it ran; only where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The program and its arguments, as they were typed.
    pub command: Vec<String>,
    /// The state directory; `None` for a temporary one.
    pub dir: Option<String>,
    /// Where it was started was a copy of this directory, and so was the state directory; `None` where both were the real ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// How the program ended: "exit status 0".
    pub status: String,
    /// Whether crashtest ended it, as it does not end by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Whether somebody had enough before it was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// What was found.
    #[serde(flatten)]
    pub audit: Audit,
    /// What the checker said, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// Whether files that only a checker could judge are accepted without one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_unchecked: bool,
}

impl AuditRecord {
    /// Returns what it comes to. A program may get over files that are not whole: of the damage that its checker notices, the
    /// checker has the last word.
    #[must_use]
    pub fn judgement(&self) -> AuditJudgement {
        let checked = self.checked.as_ref();
        match () {
            () if checked.is_some_and(|checked| checked.violations() > 0) => AuditJudgement::Broken,
            () if self.broken().next().is_some() => AuditJudgement::Broken,
            () if self.audit.files.is_empty() || self.audit.count(UnderKill::Unknown) > 0 => {
                AuditJudgement::Inconclusive
            }
            () if !self.audit.unmodelled.is_empty() => AuditJudgement::Inconclusive,
            () if self.interrupted => AuditJudgement::Inconclusive,
            // What it does when all goes well is not known.
            () if !self.ended_well() => AuditJudgement::Inconclusive,
            () if checked.is_some_and(|checked| checked.sensitivity.is_blind()) => AuditJudgement::Inconclusive,
            () if checked.is_none() && !self.accept_unchecked && self.audit.count(UnderKill::Whole) == 0 => {
                AuditJudgement::Inconclusive
            }
            // What is stored in them is in no crash state that the checker was asked about.
            () if checked.is_some() && self.mapped().next().is_some() => AuditJudgement::Inconclusive,
            () => AuditJudgement::Unbroken,
        }
    }

    /// Returns whether the program came to its end and said that it had done its work, or has none to come to.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        self.cut || self.status == "exit status 0"
    }

    /// The failures, the checker's first, each with the crash point that shows it.
    pub fn failures(&self) -> impl Iterator<Item = AuditFailure> {
        let checked = self.checked.iter().filter_map(|checked| checked.example.clone().map(AuditFailure::Checker));
        let file =
            |file: &AuditedFile| Some(AuditFailure::File { path: file.path.clone(), example: file.example.clone()? });
        checked.chain(self.broken().filter_map(file))
    }

    /// The files that were written through a shared mapping.
    pub fn mapped(&self) -> impl Iterator<Item = &AuditedFile> {
        self.audit.files.iter().filter(|file| file.written.iter().any(|written| written.way == Way::Map))
    }

    /// The files that a kill can leave damaged, and of which no checker that notices damage has accepted all crash states. Of a program that does not get
    /// over some crash state: all that a kill can leave damaged.
    pub fn broken(&self) -> impl Iterator<Item = &AuditedFile> {
        let checked = self.checked.as_ref().filter(|checked| checked.left_out == 0 && checked.violations() == 0);
        let excused = move |file: &AuditedFile| {
            checked.is_some_and(|checked| {
                let sensitivity = &checked.sensitivity;
                // One that says which state it found is believed: a file that this does not come from may be anything.
                (checked.names_states && !sensitivity.is_blind())
                    || file.damage.keys().all(|damage| sensitivity.sees(&file.path, *damage))
            })
        };
        let files = self.audit.files.iter().filter(|file| file.under_kill == UnderKill::Broken);
        files.filter(move |file| !excused(file))
    }
}
