//! Random numbers that repeat, and values of the kinds that instructions have trouble with.

/// SplitMix64: a sequence of its own for each seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An integer: small, at an edge of some width, or anything.
    pub fn integer(&mut self) -> u64 {
        let edge = 1_u64 << self.pick(&[0, 7, 8, 15, 16, 31, 32, 63]);
        match self.below(6) {
            0 => self.below(33),
            1 => self.below(33).wrapping_neg(),
            2 => edge.wrapping_sub(self.below(2)),
            3 => edge.wrapping_neg(),
            _ => self.next(),
        }
    }

    /// A double: whole, ordinary, huge, tiny, or special.
    fn double(&mut self) -> f64 {
        let ordinary = (self.next() as i64 >> self.below(60)) as f64 / 1024.0;
        match self.below(12) {
            0 => self.pick(&[0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 3.5]),
            1 => self.pick(&[f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE]),
            2 => f64::from_bits(self.next() & !(0x7ff << 52)),
            3 => (self.next() as i64 >> self.below(63)) as f64,
            4 => self.pick(&[2147483647.5, -2147483648.5, 9.3e18, -9.3e18, 4294967296.0]),
            5 => f64::from_bits(self.next() & !(1 << 62)),
            _ => ordinary,
        }
    }

    fn single(&mut self) -> f32 {
        match self.below(12) {
            0 => f32::from_bits(self.next() as u32 & !(0xff << 23)),
            1 => self.pick(&[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE]),
            _ => self.double() as f32,
        }
    }

    /// Sixteen bytes: integers, doubles or singles, now and then with a NaN that `nan` allows.
    pub fn lane(&mut self, nans: bool) -> [u64; 2] {
        std::array::from_fn(|_| match self.below(4) {
            0 => self.integer() & if nans { u64::MAX } else { !(1 << 62 | 1 << 30) },
            1 | 2 => self.double().to_bits(),
            _ => u64::from(self.single().to_bits()) | u64::from(self.single().to_bits()) << 32,
        })
    }
}
