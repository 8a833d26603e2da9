/* Mapped images: headers and directories. */
#include "load.h"

#define IMAGE_DOS_SIGNATURE 0x5a4d
#define IMAGE_NT_SIGNATURE 0x4550
#define IMAGE_NT_OPTIONAL_HDR32_MAGIC 0x10b
#define IMAGE_NT_OPTIONAL_HDR64_MAGIC 0x20b

typedef struct { USHORT e_magic, Unnamed1[29]; ULONG e_lfanew; } IMAGE_DOS_HEADER;
typedef struct { ULONG VirtualAddress, Size; } IMAGE_DATA_DIRECTORY;
/* Signature, file header, optional header; the directories' place is the magic number's to tell. */
typedef struct {
    ULONG Signature;
    USHORT Machine, NumberOfSections;
    ULONG TimeDateStamp, PointerToSymbolTable, NumberOfSymbols;
    USHORT SizeOfOptionalHeader, Characteristics;
    USHORT Magic;
} IMAGE_NT_HEADERS;
typedef struct {
    CHAR Name[8];
    ULONG VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData, Unnamed[3], Characteristics;
} IMAGE_SECTION_HEADER;
#define IMAGE_SCN_MEM_WRITE 0x80000000u
#define IMAGE_FILE_RELOCS_STRIPPED 1
/* Where SizeOfImage and SizeOfHeaders are, from the signature, and the base (a word of the image's width). */
#define IMAGE_SIZE_AT 0x50
#define IMAGE_HEADERS_SIZE_AT 0x54
#define IMAGE_BASE_AT WIDTH(0x30, 0x34)
#define IMAGE_MACHINE WIDTH(0x8664, 0x14c)

/* `RtlImageNtHeader`: the address of an image's NT headers, or NULL if there is no image at `base`. */
PVOID NTAPI RtlImageNtHeader(PVOID base) {
    const IMAGE_DOS_HEADER *dos = base;
    /* NULL and -1 are no bases. */
    if (!base || base == (PVOID)-1 || dos->e_magic != IMAGE_DOS_SIGNATURE) return NULL;
    if (dos->e_lfanew >= 0x10000000) return NULL;
    IMAGE_NT_HEADERS *headers = (PVOID)((char *)base + dos->e_lfanew);
    return headers->Signature == IMAGE_NT_SIGNATURE ? headers : NULL;
}

/* The address and size of a mapped image's directory; NULL if it has none. */
PVOID LdrpImageDirectory(PVOID base, ULONG index, ULONG *size) {
    const IMAGE_NT_HEADERS *headers = RtlImageNtHeader(base);
    *size = 0;
    if (!headers) return NULL;
    const char *directories = (const char *)headers;
    if (headers->Magic == IMAGE_NT_OPTIONAL_HDR64_MAGIC) directories += 0x88;
    else if (headers->Magic == IMAGE_NT_OPTIONAL_HDR32_MAGIC) directories += 0x78;
    else return NULL;
    /* NumberOfRvaAndSizes stands before the first. */
    if (index >= ((const ULONG *)directories)[-1]) return NULL;
    const IMAGE_DATA_DIRECTORY *directory = (const IMAGE_DATA_DIRECTORY *)directories + index;
    if (!directory->VirtualAddress) return NULL;
    *size = directory->Size;
    return (char *)base + directory->VirtualAddress;
}

/* `SizeOfImage`; 0: there is no image. */
ULONG LdrpImageSize(PVOID base) {
    const char *headers = RtlImageNtHeader(base);
    return headers ? *(const ULONG *)(headers + IMAGE_SIZE_AT) : 0;
}

/* `IMAGE_FILE_HEADER.Characteristics`. */
ULONG LdrpImageCharacteristics(PVOID base) {
    const IMAGE_NT_HEADERS *headers = RtlImageNtHeader(base);
    return headers ? headers->Characteristics : 0;
}

/* The sections of an image. */
static const IMAGE_SECTION_HEADER *LdrpSections(PVOID base, ULONG *count) {
    const IMAGE_NT_HEADERS *headers = RtlImageNtHeader(base);
    *count = headers ? headers->NumberOfSections : 0;
    if (*count > 96) *count = 96;
    return headers ? (const IMAGE_SECTION_HEADER *)((const char *)&headers->Magic + headers->SizeOfOptionalHeader) : NULL;
}

/* How many bytes there are at a place of an image up to the end of its section; 0: it is in none. What a file says of
 * itself may be wrong. */
static SIZE_T LdrpImageRest(PVOID base, ULONG rva) {
    const char *headers = RtlImageNtHeader(base);
    ULONG count, size = LdrpImageSize(base);
    if (!headers) return 0;
    ULONG before = *(const ULONG *)(headers + IMAGE_HEADERS_SIZE_AT);
    if (rva < before && before <= size) return before - rva;
    const IMAGE_SECTION_HEADER *section = LdrpSections(base, &count);
    for (; count; count--, section++) {
        ULONG length = section->VirtualSize ? section->VirtualSize : section->SizeOfRawData;
        length = (length + 0xfff) & ~0xfffu;
        if (section->VirtualAddress >= size || length > size - section->VirtualAddress) continue;
        if (rva >= section->VirtualAddress && rva - section->VirtualAddress < length)
            return length - (rva - section->VirtualAddress);
    }
    return 0;
}

/* The address of a range of an image, or NULL where it is not all in one section. */
PVOID LdrpImageRange(PVOID base, ULONG rva, SIZE_T length) {
    return rva && LdrpImageRest(base, rva) >= length ? (char *)base + rva : NULL;
}

/* A text of an image, or NULL where it does not end in its section. */
const char *LdrpImageText(PVOID base, ULONG rva) {
    SIZE_T rest = rva ? LdrpImageRest(base, rva) : 0;
    const char *text = (const char *)base + rva;
    for (SIZE_T i = 0; i < rest; i++)
        if (!text[i]) return text;
    return NULL;
}

/* Whether an image can be run here.
 *
 * STATUS_INVALID_IMAGE_FORMAT: it is for another machine. */
NTSTATUS LdrpCheckImage(PVOID base) {
    const IMAGE_NT_HEADERS *headers = RtlImageNtHeader(base);
    if (!headers || headers->Machine != IMAGE_MACHINE) return STATUS_INVALID_IMAGE_FORMAT;
    if (headers->Magic != WIDTH(IMAGE_NT_OPTIONAL_HDR64_MAGIC, IMAGE_NT_OPTIONAL_HDR32_MAGIC)) return STATUS_INVALID_IMAGE_FORMAT;
    return STATUS_SUCCESS;
}

/* Lets an image's pages that cannot be written be written for a while (`old` is NULL), or takes that back. */
static NTSTATUS LdrpUnprotect(PVOID base, ULONG *old, BOOLEAN back) {
    ULONG count, before;
    const IMAGE_SECTION_HEADER *section = LdrpSections(base, &count);
    for (ULONG i = 0; i <= count; i++) {
        /* The headers are first. */
        ULONG at = i ? section[i - 1].VirtualAddress : 0, length = 1;
        if (i) length = section[i - 1].VirtualSize ? section[i - 1].VirtualSize : section[i - 1].SizeOfRawData;
        if (!length || (i && section[i - 1].Characteristics & IMAGE_SCN_MEM_WRITE)) continue;
        PVOID address = (char *)base + at;
        SIZE_T size = length;
        NTSTATUS status = NtProtectVirtualMemory(NtCurrentProcess(), &address, &size, back ? old[i] : PAGE_READWRITE, &before);
        if (status < 0 && !back) return status;
        if (!back) old[i] = before;
    }
    return STATUS_SUCCESS;
}

/* Adds a difference where a block of relocations says so. */
static NTSTATUS LdrpRelocateBlock(PVOID base, ULONG page, const USHORT *entries, ULONG count, ULONG_PTR delta) {
    for (ULONG i = 0; i < count; i++) {
        ULONG rva = page + (entries[i] & 0xfff), kind = entries[i] >> 12;
        ULONG width = kind == 3 ? 4 : kind == 10 ? 8 : 0;
        if (!kind) continue;
        char *at = width ? LdrpImageRange(base, rva, width) : NULL;
        if (!at) return STATUS_INVALID_IMAGE_FORMAT;
        if (width == 4) *(ULONG *)at += (ULONG)delta;
        else *(ULONGLONG *)at += delta;
    }
    return STATUS_SUCCESS;
}

/* Moves an image that is not at its base to where it is.
 *
 * STATUS_CONFLICTING_ADDRESSES: it has no relocations. STATUS_INVALID_IMAGE_FORMAT: what they say cannot be. */
NTSTATUS LdrpRelocateImage(PVOID base) {
    ULONG size, old[97], at = 0;
    char *headers = RtlImageNtHeader(base);
    ULONG_PTR delta = (ULONG_PTR)base - *(ULONG_PTR *)(headers + IMAGE_BASE_AT);
    const char *directory = LdrpImageDirectory(base, IMAGE_DIRECTORY_ENTRY_BASERELOC, &size);
    if (!delta) return STATUS_SUCCESS;
    if (!directory && LdrpImageCharacteristics(base) & IMAGE_FILE_RELOCS_STRIPPED) return STATUS_CONFLICTING_ADDRESSES;
    if (directory && !LdrpImageRange(base, (ULONG)(directory - (char *)base), size)) return STATUS_INVALID_IMAGE_FORMAT;
    NTSTATUS status = LdrpUnprotect(base, old, FALSE);
    while (status >= 0 && directory && at + 8 <= size) {
        const ULONG *block = (const ULONG *)(directory + at);
        if (!block[1]) break;
        if (block[1] < 8 || block[1] > size - at) status = STATUS_INVALID_IMAGE_FORMAT;
        else status = LdrpRelocateBlock(base, block[0], (const USHORT *)(block + 2), (block[1] - 8) / 2, delta);
        at += block[1];
    }
    if (status >= 0) *(ULONG_PTR *)(headers + IMAGE_BASE_AT) = (ULONG_PTR)base;
    LdrpUnprotect(base, old, TRUE);
    return status;
}
