//! The claims that have a test case each.

use crashtest_model::Claim;

/// The claims, with the names of their cases.
pub(super) const CLAIMS: [(Claim, &str); 3] =
    [(Claim::Atomic, "atomic"), (Claim::DurableAtAck, "durable-at-ack"), (Claim::Clean, "clean")];
