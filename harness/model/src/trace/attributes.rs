//! What a file has besides its name, its permissions and its content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Data;

/// What a file has besides its name, its permissions and its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributes {
    /// When its content was changed last, in ns since 1970.
    pub modified_ns: i64,
    /// The numbers of its user and its group.
    pub owner: (u32, u32),
    /// Its extended attributes in the `user` namespace. `None` behind a call that leaves them as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<BTreeMap<String, Data>>,
}
