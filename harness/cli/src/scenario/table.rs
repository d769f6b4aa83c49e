//! A table of a scenario file: it may hold the keys of its kind and no others.

use toml::de::DeTable;

use super::keys::{Key, Kind};
use super::mistake::{Mistake, Place};
use super::value::Value;
use crate::nearest::nearest;

/// A table all of whose keys are known.
pub(crate) struct Table<'t> {
    /// Its header; the start of the file for the file itself.
    pub header: Place,
    entries: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    /// `entries` as a table of `kind`; the first unknown key is a mistake.
    pub(crate) fn new(kind: &Kind, header: Place, entries: &'t DeTable<'t>) -> Result<Table<'t>, Mistake> {
        let known = kind.names();
        let unknown = entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            Some(key) => Err(unknown_key(kind, key.get_ref(), key.span())),
            None => Ok(Table { header, entries }),
        }
    }

    /// The value of `key`, if there is one.
    pub(crate) fn get(&self, key: &Key) -> Option<Value<'t>> {
        self.entries.get_key_value(key.name).map(|(name, value)| Value { key: *key, key_place: name.span(), value })
    }

    /// The value of `key`.
    pub(crate) fn need(&self, key: &Key) -> Result<Value<'t>, Mistake> {
        self.get(key).ok_or_else(|| {
            let label = if self.header.is_empty() { "nowhere in this file" } else { "not below this header" };
            Mistake::new(format!("`{}` is missing", key.name), self.header.clone(), label)
                .help(format!("it must be {}:\n{}", key.must_be, key.example))
        })
    }
}

/// A misspelt key, or one of another kind of table in the wrong place; it may be either.
fn unknown_key(kind: &Kind, word: &str, place: Place) -> Mistake {
    let names = kind.names();
    let elsewhere = kind.in_its_file.iter().find(|other| other.names().contains(&word));
    let belongs = elsewhere.map(|other| format!("`{word}` belongs {}", other.place));
    let keys = format!("keys of {}: {}", kind.name, names.join(", "));
    let (label, help) = match (nearest(word, &names), belongs) {
        (Some(name), None) => (format!("did you mean `{name}`?"), keys),
        (Some(name), Some(belongs)) => (format!("did you mean `{name}`?"), format!("{belongs}\n{keys}")),
        (None, Some(belongs)) => (belongs, keys),
        (None, None) => ("not a key".to_owned(), keys),
    };
    Mistake::new(format!("unknown key `{word}` in {}", kind.name), place, label).help(help)
}
