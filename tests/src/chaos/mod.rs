//! Chaos: a node and a receiver to whom everything happens, by the dice of a seed.
//!
//! The same seed throws the same dice; what the machine makes of them in time may differ, and must
//! not matter.

mod dice;
mod proxy;
mod world;

pub use dice::Dice;
pub use proxy::Proxy;
pub use world::World;
