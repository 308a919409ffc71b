//! The seeded randomness that makes tldraw's hand-drawn shapes look the same wherever they are
//! shown: a 32-bit xorshift seeded with the shape's id (tldraw, `rng` in its utilities).

/// A sequence of numbers that depends on the seed alone.
#[derive(Clone, Debug)]
pub(super) struct Random {
    x: i32,
    y: i32,
    z: i32,
    w: i32,
}

impl Random {
    /// Seeded by the UTF-16 units of a text, as JavaScript counts them.
    pub(super) fn new(seed: &str) -> Random {
        let mut random = Random {
            x: 0,
            y: 0,
            z: 0,
            w: 0,
        };
        for unit in seed.encode_utf16().map(i32::from).chain([0; 64]) {
            random.x ^= unit;
            random.next_half();
        }
        random
    }

    /// Between -0.5 and 0.5: what tldraw 1 draws.
    pub(super) fn next_half(&mut self) -> f64 {
        let t = self.x ^ (self.x << 11);
        self.x = self.y;
        self.y = self.z;
        self.z = self.w;
        // `>>>` shifts without a sign.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_wrap)]
        let (high, low) = (((self.w as u32) >> 19) as i32, ((t as u32) >> 8) as i32);
        self.w ^= high ^ t ^ low;
        f64::from(self.w) / 4_294_967_296.0
    }

    /// Between -1 and 1: what tldraw 2 draws.
    pub(super) fn next_whole(&mut self) -> f64 {
        self.next_half() * 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_depends_on_the_seed_and_stays_in_range() {
        let take = |seed: &str| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.next_half()).collect::<Vec<f64>>()
        };
        assert_eq!(take("shape:r1"), take("shape:r1"));
        assert_ne!(take("shape:r1"), take("shape:r2"));
        assert!(take("é").iter().all(|n| n.abs() <= 0.5));
    }
}
