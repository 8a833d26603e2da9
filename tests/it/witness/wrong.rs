//! x
/// x
pub const WRONG: &[()] = &[];
