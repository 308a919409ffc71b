//! Sound that resembles speech: a buzzing source through two moving resonators, in syllables and
//! phrases with pauses, so that loudness, silences and spectrum are those of a lecture.

/// Samples per second.
pub(super) const RATE: u32 = 48_000;

/// Small, repeatable pseudo-random numbers (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number of [0, 1).
    pub(super) fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A WAV file of `seconds` of mono speech-like sound.
pub(super) fn wav(seconds: f64, seed: u64) -> Vec<u8> {
    let samples = speech(seconds, seed);
    let bytes = samples.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + bytes as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + bytes).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&RATE.to_le_bytes());
    out.extend_from_slice(&(RATE * 2).to_le_bytes());
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    for sample in samples {
        out.extend_from_slice(&((sample.clamp(-1.0, 1.0) * 32_000.0) as i16).to_le_bytes());
    }
    out
}

/// First two formants of five vowels, in Hz.
const VOWELS: [(f64, f64); 5] = [
    (730.0, 1090.0),
    (270.0, 2290.0),
    (530.0, 1840.0),
    (570.0, 840.0),
    (440.0, 1020.0),
];

fn speech(seconds: f64, seed: u64) -> Vec<f64> {
    let total = (seconds * f64::from(RATE)) as usize;
    let mut dice = Dice::new(seed + 7);
    let mut out = Vec::with_capacity(total);
    let mut low = Resonator::default();
    let mut high = Resonator::default();
    let mut phase = 0.0;
    let mut left_in_phrase = 0;
    while out.len() < total {
        if left_in_phrase == 0 {
            left_in_phrase = 6 + (dice.roll() * 8.0) as usize;
            let pause = (f64::from(RATE) * (0.25 + 0.4 * dice.roll())) as usize;
            out.resize((out.len() + pause).min(total), 0.0);
        }
        left_in_phrase -= 1;
        let (first, second) = VOWELS[(dice.roll() * VOWELS.len() as f64) as usize];
        low.tune(first, 80.0);
        high.tune(second, 120.0);
        let pitch = 105.0 + 45.0 * dice.roll();
        let length = (f64::from(RATE) * (0.12 + 0.12 * dice.roll())) as usize;
        for k in 0..length.min(total - out.len()) {
            let part = k as f64 / length as f64;
            phase = (phase + pitch * (1.05 - 0.1 * part) / f64::from(RATE)) % 1.0;
            let source = (phase - 0.5) + 0.08 * (dice.roll() - 0.5);
            let loudness = (std::f64::consts::PI * part).sin().powf(0.7);
            out.push((low.pass(source) + 0.6 * high.pass(source)) * loudness * 0.35);
        }
    }
    out
}

/// A two-pole resonator.
#[derive(Default)]
struct Resonator {
    gain: f64,
    b1: f64,
    b2: f64,
    y1: f64,
    y2: f64,
}

impl Resonator {
    fn tune(&mut self, frequency: f64, width: f64) {
        let rate = f64::from(RATE);
        let radius = (-std::f64::consts::PI * width / rate).exp();
        self.b1 = 2.0 * radius * (2.0 * std::f64::consts::PI * frequency / rate).cos();
        self.b2 = -radius * radius;
        self.gain = 4.0 * (1.0 - radius);
    }

    fn pass(&mut self, x: f64) -> f64 {
        let y = self.gain * x + self.b1 * self.y1 + self.b2 * self.y2;
        (self.y1, self.y2) = (y, self.y1);
        y
    }
}
