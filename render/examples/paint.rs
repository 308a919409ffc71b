//! `paint SOURCE`: what painting every change of a recording costs, without encoding anything.

use std::sync::Arc;
use std::time::Instant;

use render::fonts::Fonts;
use render::geometry::{Rgb, Size};
use render::raster::Painter;
use render::source::Source;
use render::timeline::Timeline;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let source = Arc::new(Source::open(
        std::env::args().nth(1).unwrap_or_default().as_ref(),
    )?);
    let timeline = Arc::new(Timeline::read(&source)?);
    let read = began.elapsed();
    let fonts = Arc::new(Fonts::system());
    let loaded = began.elapsed();
    let size = Size {
        width: 1280,
        height: 720,
    };
    let mut painter = Painter::new(Arc::clone(&timeline), source, size, Rgb::PLAYER, fonts)?;
    let changes = timeline.changes();
    let mut damage = Vec::new();
    let (mut pixels, mut slowest) = (0, Vec::new());
    for &t in &changes {
        let started = Instant::now();
        damage.clear();
        painter.paint(t, &mut damage);
        pixels += damage.iter().map(|area| area.area()).sum::<u64>();
        slowest.push((started.elapsed(), t));
    }
    slowest.sort_unstable();
    println!(
        "{} changes: timeline {read:?}, fonts {:?}, painting {:?}; {:.0} pixels a change; median {:?}, slowest {:?}",
        changes.len(),
        loaded - read,
        began.elapsed() - loaded,
        pixels as f64 / changes.len() as f64,
        slowest[slowest.len() / 2].0,
        &slowest[slowest.len().saturating_sub(12)..],
    );
    Ok(())
}
