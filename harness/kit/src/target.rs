//! What can be put under test.

use std::io;
use std::path::PathBuf;

use crashtest_model::{Damage, Digest, Generation, Seed};

use crate::fs::Fs;

/// Where a target works.
#[derive(Clone, Debug)]
pub struct Place {
    /// The state directory. It exists.
    pub dir: PathBuf,
    /// The file operations to use, so that the harness knows where a kill landed.
    pub fs: Fs,
    /// The seed of temporary names, its own for each life: names are unique, and yet the same in a repeated run.
    pub names: Seed,
    /// Which of the writers that share the state this is, from 0.
    pub writer: u32,
}

/// What `open` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// Nothing was there: a new, empty state, no error.
    Fresh,
    /// A state.
    State {
        /// The generation that the state says it is; only used to go on from there. The oracle goes by the digest.
        sequence: Generation,
        /// The digest of the content.
        digest: Digest,
        /// Generations up to `sequence` whose operations are not in it, as a log that skips damage knows them; none for documents.
        missing: Vec<Generation>,
        /// Of a state in several parts: the digest of each, in the order of [`Generations::parts`](crate::Generations::parts).
        parts: Vec<Digest>,
    },
}

/// Recovery noticed damage and said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In the target's own words.
    pub why: String,
    /// What it found its file to be, where it can tell.
    pub damage: Option<Damage>,
}

impl Refused {
    /// A refusal of which no more is known than its words.
    pub fn because(why: impl Into<String>) -> Refused {
        Refused { why: why.into(), damage: None }
    }

    /// A refusal of `content`, which `file` held and which `error` says is no state.
    pub fn unreadable(file: &str, content: &[u8], error: impl std::fmt::Display) -> Refused {
        let damage = if content.is_empty() { Damage::Empty } else { Damage::Torn };
        Refused { why: format!("{file}: {error}"), damage: Some(damage) }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        let damage = (error.kind() == io::ErrorKind::NotFound).then_some(Damage::Missing);
        Refused { why: error.to_string(), damage }
    }
}

/// One target in one process: `init` once, then `open`, then saves.
///
/// The contract: `init` installs generation 0 and is idempotent. When `save(g)` returns `Ok`, generation g is promised to
/// survive. All file operations go through [`Place::fs`].
pub trait Target {
    /// Installs generation 0 where nothing is installed; leaves alone what is.
    ///
    /// # Errors
    /// What the file system says.
    fn init(&mut self) -> io::Result<()>;

    /// Starts again on whatever is there.
    ///
    /// # Errors
    /// The damage that it noticed.
    fn open(&mut self) -> Result<Recovered, Refused>;

    /// Loads what is there, as somebody does who only reads.
    ///
    /// # Errors
    /// The damage that it noticed.
    fn look(&mut self) -> Result<Recovered, Refused> {
        self.open()
    }

    /// Applies operation `generation`, the successor of the current one, and persists the state.
    ///
    /// # Errors
    /// What the file system says; the state on disk is then the target's affair.
    fn save(&mut self, generation: Generation) -> io::Result<()>;

    /// Stops cleanly.
    ///
    /// # Errors
    /// What the file system says.
    fn close(&mut self) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_found_whatever_its_words_are() {
        let said = "EOF while parsing a value at line 1 column 0 (os error 2)";
        for (refused, damage) in [
            (Refused::unreadable("f", b"", said), Some(Damage::Empty)),
            (Refused::unreadable("f", b"{", said), Some(Damage::Torn)),
            (Refused::from(io::Error::from(io::ErrorKind::NotFound)), Some(Damage::Missing)),
            (Refused::from(io::Error::other(said)), None),
            (Refused::because(said), None),
        ] {
            assert_eq!(refused.damage, damage, "{refused:?}");
        }
    }
}
