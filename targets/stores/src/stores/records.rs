//! A ledger in a store that knows keys and values and nothing else: a key for each account, and one for the number of the save.

use std::io;

use crashtest_model::Generation;

use crate::ledger::{Account, Ledger};

/// The key of the number of the save. It is longer than that of an account, so it is none.
const SEQUENCE: &[u8] = b"sequence";

/// What a save of `entries` puts in.
pub(super) fn records(sequence: Generation, entries: &[(Account, String)]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let entries = entries.iter().map(|(account, text)| (account.to_be_bytes().to_vec(), text.clone().into_bytes()));
    entries.chain([(SEQUENCE.to_vec(), sequence.0.to_be_bytes().to_vec())])
}

/// The ledger that `found` come to; `None` where nothing was found.
///
/// # Errors
/// What was found is no ledger.
pub(super) fn ledger(found: impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>>) -> io::Result<Option<Ledger>> {
    let (mut ledger, mut sequence) = (Ledger::default(), None);
    for record in found {
        let (key, value) = record?;
        let foreign = || io::Error::other(format!("a record that nobody has put in: {}", key.escape_ascii()));
        if key == SEQUENCE {
            sequence = Some(Generation(u64::from_be_bytes(value.try_into().map_err(|_| foreign())?)));
        } else {
            let account = Account::from_be_bytes(key.as_slice().try_into().map_err(|_| foreign())?);
            ledger.entries.insert(account, String::from_utf8(value).map_err(|_| foreign())?);
        }
    }
    match sequence {
        Some(sequence) => Ok(Some(Ledger { sequence, ..ledger })),
        None if ledger.entries.is_empty() => Ok(None),
        None => Err(io::Error::other("entries without the number of their save")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_comes_back_from_its_records_and_half_of_one_does_not() {
        let entries = vec![(3, "three".to_owned()), (7, "seven".to_owned())];
        let all: Vec<_> = records(Generation(9), &entries).collect();
        let back = ledger(all.iter().cloned().map(Ok)).unwrap().unwrap();
        assert_eq!(back, Ledger { sequence: Generation(9), entries: entries.into_iter().collect() });
        assert_eq!(ledger(std::iter::empty()).unwrap(), None);
        assert!(ledger(all[..2].iter().cloned().map(Ok)).unwrap_err().to_string().contains("without the number"));
        let foreign = [Ok((b"who".to_vec(), Vec::new()))];
        assert!(ledger(foreign.into_iter()).unwrap_err().to_string().contains("nobody has put in: who"));
    }
}
