//! `trapgate stubs`: a service's stub, byte for byte.

use guest::Profile;
use guest::services::ServiceTableId;
use guest::stub::{StubService, StubStyle};
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use serde::Serialize;

use super::Paint;

/// One stub.
#[derive(Clone, Debug, Serialize)]
pub struct StubView {
    /// The service.
    pub service: &'static str,
    /// Its number.
    pub number: u32,
    /// The stub's bytes in hexadecimal, without the padding behind it.
    pub bytes: String,
    /// Its instructions: offset, bytes, Intel syntax.
    pub instructions: Vec<(u64, String, String)>,
}

/// The stubs of the named services, or of every NT service. A `Zw` name means the `Nt` one. The error is the
/// first name that the profile does not have.
pub fn stub_views(profile: &'static Profile, style: &StubStyle, names: &[String]) -> Result<Vec<StubView>, String> {
    let all: Vec<_> = profile.services(ServiceTableId::Nt).collect();
    let win32k: Vec<_> = profile.services(ServiceTableId::Win32k).collect();
    if names.is_empty() {
        return Ok(all.iter().map(|service| view(style, service)).collect());
    }
    let find = |name: &String| {
        let nt = name.strip_prefix("Zw").map_or(name.clone(), |rest| format!("Nt{rest}"));
        let mut services = all.iter().chain(&win32k);
        let found = services.find(|service| service.info.name.eq_ignore_ascii_case(&nt));
        found.map(|service| view(style, service)).ok_or_else(|| name.clone())
    };
    names.iter().map(find).collect()
}

fn view(style: &StubStyle, service: &StubService) -> StubView {
    let bytes = style.stub(service).bytes;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut formatter = IntelFormatter::new();
    let mut instructions = Vec::new();
    let mut decoder = Decoder::with_ip(style.bits, &bytes, 0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let insn = decoder.decode();
        let at = insn.ip() as usize;
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        instructions.push((insn.ip(), hex(bytes.get(at..at + insn.len()).unwrap_or(&[])), text));
    }
    StubView { service: service.info.name, number: service.number, bytes: hex(&bytes), instructions }
}

/// The stubs as a listing.
pub fn stubs_text(views: &[StubView], paint: Paint) -> String {
    let mut text = String::new();
    for view in views {
        text += &format!("{}  {}\n", paint.name(view.service), paint.dim(&format!("service {:#x}", view.number)));
        for (offset, bytes, insn) in &view.instructions {
            text += &format!("  {offset:02x}  {bytes:<18} {insn}\n");
        }
    }
    text
}
