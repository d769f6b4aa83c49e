//! Settings in a file, saved in two ways: an example of a crate that tests its own saves with crashtest (`tests/settings.rs`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// How much a save writes besides its number, in bytes: so much that it takes several writes.
const SIZE: usize = 40_000;

/// The settings after change `n`, as they stand in the file.
fn text(n: u64) -> String {
    let line = format!("changed {n} times\n");
    line.repeat(SIZE / line.len())
}

/// Saves the settings after change `n` over those that are there.
///
/// # Errors
/// What the file system says.
pub fn save_directly(dir: &Path, n: u64) -> io::Result<()> {
    write(&dir.join("settings"), n)?;
    Ok(())
}

/// Saves them beside those that are there, syncs them, and gives them their name.
///
/// # Errors
/// What the file system says.
pub fn save_atomically(dir: &Path, n: u64) -> io::Result<()> {
    let temporary = dir.join("settings.tmp");
    write(&temporary, n)?.sync_all()?;
    fs::rename(temporary, dir.join("settings"))?;
    File::open(dir)?.sync_all()
}

fn write(path: &Path, n: u64) -> io::Result<File> {
    let mut file = File::create(path)?;
    text(n).as_bytes().chunks(8192).try_for_each(|piece| file.write_all(piece))?;
    Ok(file)
}

/// After how many changes the settings are; `None` where none were ever saved.
///
/// # Errors
/// The file cannot be read, or is not what a save wrote.
pub fn load(dir: &Path) -> io::Result<Option<u64>> {
    let found = match fs::read_to_string(dir.join("settings")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let number = found.split(' ').nth(1).and_then(|number| number.parse().ok());
    let whole = number.filter(|number| text(*number) == found);
    whole.map(Some).ok_or_else(|| io::Error::other("the settings are damaged"))
}
