//! The seeded, endless stream of operations.

use crashtest_model::{Generation, Seed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The randomness of operation `generation` of stream `stream`. It follows from the two numbers alone, so any generation's content
/// can be derived outside the victim. ChaCha8's stream is the same in every version and on every machine.
#[must_use]
pub fn operation_rng(stream: Seed, generation: Generation) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(stream.derive("operation", generation.0).0)
}
