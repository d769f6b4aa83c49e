//! Keeping standard output for a protocol.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Takes standard output for this process alone: returns it as a file that children do not inherit over exec(2), and points
/// descriptor 1 at /dev/null, so that nothing a victim prints can reach the protocol.
///
/// # Errors
/// What dup(2) and open(2) say.
pub fn take_stdout() -> io::Result<File> {
    let kept = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(File::from(kept))
}
