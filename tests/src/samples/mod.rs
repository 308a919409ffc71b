//! Sample recordings: whole BigBlueButton nodes with published recordings of any generation, the
//! same for the same generation and seed.
//!
//! [`Node`] is a folder that looks like the root of a BigBlueButton server; [`Recording`] says what
//! to put there; [`Fault`] damages it. The files follow what BigBlueButton's own scripts write;
//! nothing here is read by the product.

mod events;
mod fault;
mod flash;
mod folder;
mod generation;
mod markup;
mod media;
mod metadata;
mod node;
mod pictures;
mod shapes;
mod story;
mod timed;
mod tldraw;
mod voice;
mod whiteboard;

use sha1::{Digest, Sha1};

pub use fault::Fault;
pub use generation::Generation;
pub use node::Node;

/// Somebody in the meeting.
#[derive(Debug, Clone)]
pub struct Person {
    /// Shown name.
    pub name: String,
    /// Whether the role is MODERATOR rather than VIEWER.
    pub is_moderator: bool,
    /// The identifier that the client (Moodle, Greenlight...) gave.
    pub external_id: String,
    /// BigBlueButton's own identifier.
    pub user_id: String,
}

impl Person {
    /// A person whose internal identifier follows from the external one.
    pub fn new(name: &str, external_id: &str, is_moderator: bool) -> Person {
        let user_id = format!("w_{:.12}", hex(external_id));
        Person {
            name: name.to_owned(),
            is_moderator,
            external_id: external_id.to_owned(),
            user_id,
        }
    }

    fn role(&self) -> &'static str {
        if self.is_moderator {
            "MODERATOR"
        } else {
            "VIEWER"
        }
    }
}

/// Which of BigBlueButton's directories a recording lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `published/`.
    Published,
    /// `unpublished/`.
    Unpublished,
    /// `deleted/`.
    Deleted,
}

impl State {
    fn directory(self) -> &'static str {
        match self {
            State::Published => "published",
            State::Unpublished => "unpublished",
            State::Deleted => "deleted",
        }
    }
}

/// What a sample recording is to contain.
#[derive(Debug, Clone)]
pub struct Recording {
    seconds: u64,
    seed: u64,
    webcams: bool,
    share: bool,
    slides: usize,
    captions: bool,
    raw: bool,
    formats: Vec<String>,
    meta: Vec<(String, String)>,
    name: String,
    meeting_id: String,
    record_id: Option<String>,
    start_ms: Option<u64>,
    parent: Option<String>,
    people: Vec<Person>,
    state: State,
    padding: u64,
}

impl Recording {
    /// A lecture with two webcams, three slides and a screen share.
    pub fn lecture() -> Recording {
        Recording {
            seconds: 20,
            seed: 1,
            webcams: true,
            share: true,
            slides: 3,
            captions: false,
            raw: true,
            formats: vec!["presentation".to_owned()],
            meta: vec![
                ("bbb-origin".to_owned(), "Moodle".to_owned()),
                (
                    "bbb-origin-server-name".to_owned(),
                    "moodle.univ-example.fr".to_owned(),
                ),
                (
                    "bbb-context".to_owned(),
                    "Algorithmique & structures de données".to_owned(),
                ),
                ("bbb-recording-description".to_owned(), String::new()),
            ],
            name: "Graphs and trees".to_owned(),
            meeting_id: "algo-101".to_owned(),
            record_id: None,
            start_ms: None,
            parent: None,
            people: vec![
                Person::new("Alice Martin", "alice.martin", true),
                Person::new("Bob Durand", "bob.durand", false),
                Person::new("Chloé Petit", "chloe.petit", false),
            ],
            state: State::Published,
            padding: 0,
        }
    }

    /// A few seconds of sound and one slide: the smallest recording that is whole.
    pub fn tiny() -> Recording {
        Recording::lecture().seconds(5).slides(1).audio_only()
    }

    /// Recorded length in whole seconds.
    #[must_use]
    pub fn seconds(mut self, seconds: u64) -> Recording {
        self.seconds = seconds;
        self
    }

    /// Another seed gives another record id, voice, chat and titles.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Recording {
        self.seed = seed;
        self
    }

    /// Whether there were cameras.
    #[must_use]
    pub fn webcams(mut self, webcams: bool) -> Recording {
        self.webcams = webcams;
        self
    }

    /// Whether a screen was shared.
    #[must_use]
    pub fn share(mut self, share: bool) -> Recording {
        self.share = share;
        self
    }

    /// No camera and no share.
    #[must_use]
    pub fn audio_only(self) -> Recording {
        self.webcams(false).share(false)
    }

    /// Number of slides, at least one.
    #[must_use]
    pub fn slides(mut self, slides: usize) -> Recording {
        self.slides = slides.max(1);
        self
    }

    /// Whether there are captions in two languages.
    #[must_use]
    pub fn captions(mut self, captions: bool) -> Recording {
        self.captions = captions;
        self
    }

    /// Whether `recording/raw` still holds `events.xml`.
    #[must_use]
    pub fn raw(mut self, raw: bool) -> Recording {
        self.raw = raw;
        self
    }

    /// Playback formats: `presentation`, `video`, `podcast`, `notes`, `screenshare`.
    #[must_use]
    pub fn formats(mut self, formats: &[&str]) -> Recording {
        self.formats = formats.iter().map(|f| (*f).to_owned()).collect();
        self
    }

    /// Adds a meta key, or replaces its value.
    #[must_use]
    pub fn meta(mut self, key: &str, value: &str) -> Recording {
        self.meta.retain(|(known, _)| known != key);
        self.meta.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The meeting's name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Recording {
        self.name = name.to_owned();
        self
    }

    /// The meeting's external id.
    #[must_use]
    pub fn meeting_id(mut self, id: &str) -> Recording {
        self.meeting_id = id.to_owned();
        self
    }

    /// The record id, instead of the one that follows from meeting id and start.
    #[must_use]
    pub fn with_record_id(mut self, id: &str) -> Recording {
        self.record_id = Some(id.to_owned());
        self
    }

    /// When the meeting began, in epoch milliseconds.
    #[must_use]
    pub fn start(mut self, epoch_ms: u64) -> Recording {
        self.start_ms = Some(epoch_ms);
        self
    }

    /// Makes it a breakout room of the meeting with this record id.
    #[must_use]
    pub fn breakout_of(mut self, parent: &str) -> Recording {
        self.parent = Some(parent.to_owned());
        self
    }

    /// Who was there, moderators included.
    #[must_use]
    pub fn people(mut self, people: Vec<Person>) -> Recording {
        self.people = people;
        self
    }

    /// Where the recording lies.
    #[must_use]
    pub fn state(mut self, state: State) -> Recording {
        self.state = state;
        self
    }

    /// Adds a sparse file of `bytes` zeros, for tests of transfer: it takes no space on the disk.
    #[must_use]
    pub fn padding(mut self, bytes: u64) -> Recording {
        self.padding = bytes;
        self
    }

    /// The record id that this recording has on a node of `generation`.
    pub fn record_id(&self, generation: Generation) -> String {
        match &self.record_id {
            Some(id) => id.clone(),
            None => format!("{}-{}", hex(&self.meeting_id), self.start_ms(generation)),
        }
    }

    fn start_ms(&self, generation: Generation) -> u64 {
        self.start_ms
            .unwrap_or(generation.epoch_ms() + self.seed * 100_000_000)
    }

    fn end_ms(&self, generation: Generation) -> u64 {
        self.start_ms(generation) + events::BEFORE_RECORDING_MS + self.seconds * 1000 + 3000
    }

    /// The wall clock of a recorded moment.
    fn wall_ms(&self, generation: Generation, at: f64) -> u64 {
        self.start_ms(generation) + events::BEFORE_RECORDING_MS + (at * 1000.0).round() as u64
    }

    fn duration(&self) -> f64 {
        self.seconds as f64
    }

    /// What the scripts write for an event after the last recording mark: beyond the duration.
    fn after_the_end(&self) -> f64 {
        2.0 * self.duration() + 3.0
    }

    fn all_meta(&self) -> Vec<(String, String)> {
        let own = [
            ("meetingId", self.meeting_id.clone()),
            ("meetingName", self.name.clone()),
            ("isBreakout", self.parent.is_some().to_string()),
        ];
        own.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .chain(self.meta.iter().cloned())
            .collect()
    }
}

fn hex(text: &str) -> String {
    Sha1::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
