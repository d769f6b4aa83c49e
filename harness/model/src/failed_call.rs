//! What a call that was made to fail was for: the advice depends on it.

use serde::{Deserialize, Serialize};

/// What a call is for in the save that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedCall {
    /// It makes, empties or opens a file to write it.
    Open,
    /// It changes what is in a file that is renamed or linked to its place later.
    WriteAside,
    /// It puts something behind all that was in a file.
    Append,
    /// It changes what is in a file at its place.
    WriteInPlace,
    /// It makes durable what was appended to a file.
    SyncAppended,
    /// It makes a file durable that was written in another way, or everything.
    Sync,
    /// It makes the names in a directory durable.
    SyncDirectory,
    /// It gives a name: a rename, a link, a directory.
    Name,
    /// It takes a name away.
    Remove,
    /// It closes a file that was written.
    Close,
    /// It opens a file to read it, or reads.
    Read,
    /// Anything else: a mode, an attribute, a mapping.
    Other,
}
