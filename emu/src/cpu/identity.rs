//! What CPUID says: a Westmere-class Xeon without what the engine cannot do. No AVX, no RDRAND, no TSX.
//!
//! It matches the engine's CPU model, so that a program which believes CPUID meets no instruction that the engine
//! runs wrongly or not at all.

/// EAX, EBX, ECX, EDX for a leaf and subleaf.
pub(super) fn cpuid(leaf: u32, _subleaf: u32) -> [u32; 4] {
    match leaf {
        0 => [0xb, u32::from_le_bytes(*b"Genu"), u32::from_le_bytes(*b"ntel"), u32::from_le_bytes(*b"ineI")],
        // Family 6, model 44, stepping 1. SSE3 PCLMULQDQ SSSE3 CX16 SSE4.1 SSE4.2 POPCNT AES; FPU ... SSE2.
        1 => [0x0002_06c1, 0x0001_0800, 0x0298_2203, 0x078b_fbff],
        4 => [0; 4],
        0x8000_0000 => [0x8000_0008, 0, 0, 0],
        // LAHF/SAHF in 64-bit mode; SYSCALL, NX, long mode.
        0x8000_0001 => [0, 0, 1, 0x2010_0800],
        0x8000_0002 => words(b"Trapgate virtual"),
        0x8000_0003 => words(b" CPU (Westmere c"),
        0x8000_0004 => words(b"lass)\0\0\0\0\0\0\0\0\0\0\0"),
        // 40 bits of physical address, 48 of virtual.
        0x8000_0008 => [0x3028, 0, 0, 0],
        _ => [0; 4],
    }
}

fn words(text: &[u8; 16]) -> [u32; 4] {
    let mut out = [0; 4];
    for (word, bytes) in out.iter_mut().zip(text.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    out
}
