//! The signals that ask crashtest to stop, as a flag that whatever runs looks at.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::problem::Problem;

/// Makes a flag that Ctrl-C, SIGTERM and a hang-up set. What follows is bounded, so a second Ctrl-C changes nothing; of an audit that was
/// being recorded it ends what is made of the recording.
pub(crate) fn stop_on_signals() -> Result<Arc<AtomicBool>, Problem> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = |signal| -> io::Result<()> {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
        Ok(())
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        register(signal).map_err(|error| Problem::lacking(format!("failed to handle signals: {error}")))?;
    }
    Ok(stop)
}
