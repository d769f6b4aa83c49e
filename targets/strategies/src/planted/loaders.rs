//! Canaries whose recovery is wrong.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::Loader;

use crate::document::{Content, Damage, Strategy};
use crate::strategies::atomic::Atomic;
use crate::strategies::direct::Direct;
use crate::strategies::temporary;

/// Writes like `direct`; its loader swallows every error, also when it is told to be strict.
pub(super) struct Swallow;

impl Strategy for Swallow {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        Direct.persist(place, path, content)
    }

    fn on_damage(&self, _: Loader) -> Damage {
        Damage::StartFresh
    }
}

/// Writes like `direct`; its loader makes something up where it cannot read.
pub(super) struct Invent;

impl Strategy for Invent {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        Direct.persist(place, path, content)
    }

    fn on_damage(&self, _: Loader) -> Damage {
        Damage::Invent
    }
}

/// Writes like `atomic`; its recovery takes a left-over temporary for a running writer and waits for it.
pub(super) struct Hang;

impl Strategy for Hang {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        Atomic.persist(place, path, content)
    }

    fn before_load(&mut self, _: &Place, path: &Path) -> io::Result<()> {
        while temporary(path).exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Writes like `direct`; its loader unwraps.
pub(super) struct Panic;

impl Strategy for Panic {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        Direct.persist(place, path, content)
    }

    fn on_damage(&self, _: Loader) -> Damage {
        panic!("planted: called `Result::unwrap()` on an `Err` value")
    }
}
