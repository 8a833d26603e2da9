//! System-call stubs: bytes from the profile's pattern, no assembler involved.

use crate::Profile;

/// The stub of service `number` with its padding, as long as the style's stride.
pub fn stub(profile: &Profile, number: u32) -> Vec<u8> {
    let style = profile.stub_style;
    let mut bytes = style.bytes(number);
    bytes.extend(style.pad.iter().cycle().take(style.stride.saturating_sub(bytes.len())));
    bytes
}
