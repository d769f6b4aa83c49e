//! A program of somebody's own: how it is started, what it prints, and who says what its files hold after a crash.

mod answer;
mod canaries;
mod checker;
mod copied;
pub(crate) mod named;
pub(crate) mod runtime;
mod seen;
pub(crate) mod start;
mod subject;
mod turns;
mod versions;

pub(crate) use canaries::try_out;
pub(crate) use checker::Checker;
pub(crate) use runtime::Runtime;
pub(crate) use start::{Place, set_up};
pub(crate) use subject::{PACE, STARTED_AGAIN, numbers_do_not_go_on};
pub(crate) use versions::Files;
