//! Makes sample recordings on a folder that looks like a BigBlueButton node, and prints the record
//! id of each.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use support::samples::{Fault, Generation, Node, Recording, State};

/// Publishes one sample recording below NODE, laying the node out if it is not there.
#[derive(Parser)]
struct Arguments {
    /// The folder that stands for the node's root.
    node: PathBuf,
    /// Only lay out the node.
    #[arg(long)]
    empty: bool,
    /// Generation of BigBlueButton: 0.9, 1.1, 2.0, 2.2, 2.4, 2.6, 3.0.
    #[arg(long, default_value = "2.4")]
    generation: Generation,
    /// Recorded length in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Another seed gives another recording.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of slides.
    #[arg(long, default_value_t = 3)]
    slides: usize,
    /// No webcams.
    #[arg(long)]
    no_webcams: bool,
    /// No screen share.
    #[arg(long)]
    no_share: bool,
    /// Captions in two languages.
    #[arg(long)]
    captions: bool,
    /// Neither raw archive nor events.xml.
    #[arg(long)]
    no_raw: bool,
    /// A playback format; may be given several times.
    #[arg(long = "format", default_value = "presentation")]
    formats: Vec<String>,
    /// A meta key as KEY=VALUE; may be given several times.
    #[arg(long)]
    meta: Vec<String>,
    /// The meeting's name.
    #[arg(long)]
    name: Option<String>,
    /// The record id.
    #[arg(long)]
    record_id: Option<String>,
    /// Beginning of the meeting in epoch milliseconds.
    #[arg(long)]
    start: Option<u64>,
    /// Record id of the meeting of which this is a breakout room.
    #[arg(long)]
    breakout_of: Option<String>,
    /// Put it into unpublished/ instead.
    #[arg(long)]
    unpublished: bool,
    /// Bytes of a sparse file to add.
    #[arg(long, default_value_t = 0)]
    padding: u64,
    /// Damage to do; may be given several times.
    #[arg(long = "fault")]
    faults: Vec<Fault>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let formats: Vec<&str> = arguments.formats.iter().map(String::as_str).collect();
    let mut recording = Recording::lecture()
        .seconds(arguments.seconds)
        .seed(arguments.seed)
        .slides(arguments.slides)
        .webcams(!arguments.no_webcams)
        .share(!arguments.no_share)
        .captions(arguments.captions)
        .raw(!arguments.no_raw)
        .padding(arguments.padding)
        .formats(&formats);
    for pair in &arguments.meta {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        recording = recording.meta(key, value);
    }
    if let Some(name) = &arguments.name {
        recording = recording.name(name);
    }
    if let Some(id) = &arguments.record_id {
        recording = recording.with_record_id(id);
    }
    if let Some(start) = arguments.start {
        recording = recording.start(start);
    }
    if let Some(parent) = &arguments.breakout_of {
        recording = recording.breakout_of(parent);
    }
    if arguments.unpublished {
        recording = recording.state(State::Unpublished);
    }
    let node = Node::create(&arguments.node, arguments.generation)?;
    if arguments.empty {
        return Ok(());
    }
    let id = node.add(&recording)?;
    for fault in &arguments.faults {
        node.damage(&id, *fault)?;
    }
    println!("{id}");
    Ok(())
}
