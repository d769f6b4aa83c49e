//! JSON files of a results folder, read: each says which version of the format wrote it.

use std::fs;
use std::io;
use std::path::Path;

use crashtest_model::FORMAT;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::layout;
use crate::error::FolderError;

/// `summary.json` of a run or a grid; `None` where it has not come to writing it.
pub(crate) fn read_summary<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FolderError> {
    let file = path.join(layout::SUMMARY);
    match fs::read(&file) {
        Ok(text) => {
            check_format(&file, &text)?;
            parse(&file, &text).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io("read", &file)(error)),
    }
}

/// Refuses a file that another major version wrote; asked before the rest is parsed, which may have changed.
pub(crate) fn check_format(file: &Path, text: &[u8]) -> Result<(), FolderError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: String,
    }
    let Versioned { format } = parse(file, text)?;
    let major = |format: &str| format.split('.').next().map(str::to_owned);
    if major(&format) == major(FORMAT) {
        return Ok(());
    }
    Err(FolderError::Format { path: file.to_owned(), found: format })
}

/// The value that `text`, the content of `file`, holds.
pub(crate) fn parse<T: DeserializeOwned>(file: &Path, text: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(text).map_err(|error| FolderError::malformed(file, None, &error))
}
