//! Keeping standard output for a protocol.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Standard output for this process alone: a file that children do not inherit over exec(2).
///
/// # Errors
/// What dup(2) says.
pub fn own_stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Points descriptor 1 at /dev/null, so that nothing a victim prints can reach the protocol.
///
/// # Errors
/// What open(2) and dup(2) say.
pub fn silence_stdout() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(nix::unistd::dup2_stdout(&null)?)
}
