//! Rights that came with Vista (Microsoft Learn, "Process Security and Access Rights"): before, nobody has them, and
//! asking for all of today's is refused.

use guest::NtStatus as S;

use crate::desk::Desk;

/// What opening the first process, or its thread, ends in; the rights of the handle.
fn open(d: &mut Desk, service: &str, id: [u64; 2], access: u64) -> Result<u32, S> {
    d.clear();
    let out = d.place(&[0; 8]);
    let attributes = d.attributes("", 0, 0, 0);
    let bytes: Vec<u8> = id.iter().flat_map(|id| d.pointer(*id)).collect();
    let id = d.place(&bytes);
    let status = d.call(service, &[out, access, attributes, id]);
    if status != S::SUCCESS {
        return Err(status);
    }
    let handle = d.read_pointer(out);
    let info = d.place(&[0; 0x38]);
    d.ok("NtQueryObject", &[handle, 0, info, 0x38, 0]);
    Ok(d.u32(info + 4))
}

#[test]
fn limited_rights_come_with_vista() {
    let (process, thread) = ([0x1000, 0], [0, 0x1004]);
    for (profile, vista) in
        [("xp-sp3-x86", false), ("srv2003-sp2-x64", false), ("vista-sp2-x64", true), ("win10-22h2-x64", true)]
    {
        let mut d = Desk::new(profile);
        let if_vista = |yes: u32| if vista { Ok(yes) } else { Err(S::ACCESS_DENIED) };
        let mut process = |access| open(&mut d, "NtOpenProcess", process, access);
        assert_eq!(process(0x400), Ok(if vista { 0x1400 } else { 0x400 }), "{profile}");
        assert_eq!(process(0x1000), if_vista(0x1000), "{profile}");
        assert_eq!(process(0x1f_0fff), Ok(if vista { 0x1f_1fff } else { 0x1f_0fff }), "{profile}");
        assert_eq!(process(0x1f_ffff), if_vista(0x1f_ffff), "{profile}");
        assert_eq!(process(0x200_0000).map(|all| all & 0x1000 != 0), Ok(vista), "{profile}");
        let mut thread = |access| open(&mut d, "NtOpenThread", thread, access);
        assert_eq!(thread(0x40), Ok(if vista { 0x840 } else { 0x40 }), "{profile}");
        assert_eq!(thread(0x20), Ok(if vista { 0x420 } else { 0x20 }), "{profile}");
        assert_eq!(thread(0x800), if_vista(0x800), "{profile}");
        // What little is told of a process takes the full right where there is no other.
        d.clear();
        let out = d.place(&[0; 8]);
        let attributes = d.attributes("", 0, 0, 0);
        let id: Vec<u8> = [0x1000, 0].iter().flat_map(|id| d.pointer(*id)).collect();
        let id = d.place(&id);
        for (access, expected) in [(0x400, S::SUCCESS), (0x8, S::ACCESS_DENIED)] {
            d.ok("NtOpenProcess", &[out, access, attributes, id]);
            let handle = d.read_pointer(out);
            let token = d.place(&[0; 8]);
            assert_eq!(d.call("NtOpenProcessToken", &[handle, 8, token]), expected, "{profile} {access:#x}");
        }
    }
}
