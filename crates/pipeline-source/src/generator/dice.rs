//! Numbers that look random and follow from a seed.

/// A sequence of numbers; see Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence for a place: the same for the same numbers, unlike that of any other place.
    pub fn for_place(place: &[u64]) -> Self {
        let mut dice = Self { state: 0 };
        for number in place {
            dice.state = dice.next() ^ number;
        }
        dice
    }

    /// The next number of 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of these.
    pub fn one_of(&mut self, choices: &[&'static str]) -> &'static str {
        let index = self.below(u64::try_from(choices.len()).unwrap_or(1));
        usize::try_from(index).ok().and_then(|index| choices.get(index)).copied().unwrap_or_default()
    }
}
