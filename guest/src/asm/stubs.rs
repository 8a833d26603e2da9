//! System-call stubs: bytes from the profile's pattern, no assembler involved.

use crate::Profile;
use crate::stub::StubService;

/// The stub of a service with its padding.
pub fn stub(profile: &Profile, service: &StubService) -> Vec<u8> {
    profile.stub_style.padded(service).bytes
}
