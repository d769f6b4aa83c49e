//! What can be put under test.

use std::io;
use std::path::PathBuf;

use crashtest_model::{Digest, Generation, Seed};

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
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused { why: error.to_string() }
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
