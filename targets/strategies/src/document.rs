//! A document target: the whole state of a workload in one JSON file, persisted by a strategy.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crashtest_kit::{Place, Recovered, Refused, Target, Workload, encode, state_file};
use crashtest_model::{Bytes, Digest, Generation, Loader, Seed, TargetSpec};

/// Streams a document to a writer, in the small pieces in which a JSON library makes it.
pub(crate) type Content<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// What a loader does with a file that is missing or damaged.
pub(crate) enum Damage {
    /// Say so.
    Refuse,
    /// Start fresh, as if nothing had ever been saved.
    StartFresh,
    /// Make something up (a canary's loader).
    Invent,
}

/// One way to persist a document.
pub(crate) trait Strategy {
    /// Persists `content` at `path`.
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()>;

    /// The copy beside the document that recovery falls back to when the document is missing or damaged.
    fn fallback(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// What recovery does with the content of a copy that it has fallen back to, before anything else.
    fn fell_back(&mut self, _place: &Place, _path: &Path, _content: &[u8]) -> io::Result<()> {
        Ok(())
    }

    /// What recovery does before it reads the document.
    fn before_load(&mut self, _place: &Place, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// What the loader does with damage.
    fn on_damage(&self, loader: Loader) -> Damage {
        match loader {
            Loader::Strict => Damage::Refuse,
            Loader::Lenient => Damage::StartFresh,
        }
    }

    /// The document of writer `writer`, where the others save to `path`.
    fn document_of(&self, _writer: u32, path: PathBuf) -> PathBuf {
        path
    }

    /// A clean stop.
    fn close(&mut self, _place: &Place, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Workload `W` persisted by a strategy.
pub(crate) struct Document<W: Workload> {
    strategy: Box<dyn Strategy>,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    path: PathBuf,
    /// Whether several writers save to one place, each a document of its own making.
    shared: bool,
    state: Option<W::State>,
}

impl<W: Workload> Document<W> {
    pub(crate) fn new(strategy: Box<dyn Strategy>, spec: &TargetSpec, stream: Seed, place: Place) -> Document<W> {
        let path = strategy.document_of(place.writer, place.dir.join(state_file::<W>()));
        let (loader, bound, shared) = (spec.loader, spec.state_size, spec.is_shared());
        Document { strategy, loader, stream, bound, place, path, shared, state: None }
    }

    fn persist(&mut self, state: &W::State) -> io::Result<()> {
        self.strategy.persist(&self.place, &self.path, &|mut out| encode(state, &mut out))
    }

    fn load(&mut self) -> Result<W::State, Refused> {
        let refused = match self.parse(&self.path) {
            Ok((state, _)) => return Ok(state),
            Err(refused) => refused,
        };
        let Some(copy) = self.strategy.fallback(&self.path) else { return Err(refused) };
        let Ok((state, content)) = self.parse(&copy) else { return Err(refused) };
        self.strategy.fell_back(&self.place, &self.path, &content)?;
        Ok(state)
    }

    fn parse(&self, path: &Path) -> Result<(W::State, Vec<u8>), Refused> {
        let content = self.place.fs.read(path)?;
        let state = serde_json::from_slice(&content)
            .map_err(|error| Refused::unreadable(&state_file::<W>(), &content, error))?;
        Ok((state, content))
    }

    /// What a load comes to, damage and all.
    fn recover(&mut self, loaded: Result<W::State, Refused>) -> Result<Recovered, Refused> {
        let state = match loaded {
            Ok(state) => state,
            Err(refused) => match self.strategy.on_damage(self.loader) {
                Damage::Refuse => return Err(refused),
                Damage::StartFresh => {
                    self.state = Some(self.initial());
                    return Ok(Recovered::Fresh);
                }
                Damage::Invent => self.invented(),
            },
        };
        let recovered = Recovered::State {
            sequence: W::sequence(&state),
            digest: Digest::of_value(&state),
            missing: Vec::new(),
            parts: Vec::new(),
        };
        self.state = Some(state);
        Ok(recovered)
    }

    fn initial(&self) -> W::State {
        W::initial(self.stream, self.bound)
    }

    /// A content that no sequence of saves makes: a later operation applied to generation 0.
    fn invented(&self) -> W::State {
        let mut state = self.initial();
        W::apply(self.stream, Generation(1 << 40), self.bound, &mut state);
        state
    }
}

impl<W: Workload> Target for Document<W> {
    fn init(&mut self) -> io::Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        let state = self.initial();
        self.persist(&state)
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        let ready = self.strategy.before_load(&self.place, &self.path);
        let loaded = ready.map_err(Refused::from).and_then(|()| self.load());
        let recovered = self.recover(loaded)?;
        if self.shared {
            // What the others have saved is theirs.
            self.state = Some(self.initial());
        }
        Ok(recovered)
    }

    fn look(&mut self) -> Result<Recovered, Refused> {
        let loaded = self.load();
        self.recover(loaded)
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let mut state = self.state.take().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        W::apply(self.stream, generation, self.bound, &mut state);
        let result = self.persist(&state);
        self.state = Some(state);
        result
    }

    fn close(&mut self) -> io::Result<()> {
        self.strategy.close(&self.place, &self.path)
    }
}
