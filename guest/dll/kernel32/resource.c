/* Resources: what a module has of a type and a name, and in a language. */
#include "files.h"
#include "ldr.h"

enum { ERROR_INVALID_DATA = 13, ERROR_BAD_IMAGE = 193, ERROR_RESOURCE_DATA_NOT_FOUND = 1812, ERROR_RESOURCE_TYPE_NOT_FOUND, ERROR_RESOURCE_NAME_NOT_FOUND, ERROR_RESOURCE_LANG_NOT_FOUND };
typedef struct { ULONG Characteristics, TimeDateStamp, Version; USHORT NumberOfNamedEntries, NumberOfIdEntries; } IMAGE_RESOURCE_DIRECTORY;
typedef struct { ULONG Name, OffsetToData; } IMAGE_RESOURCE_DIRECTORY_ENTRY;
typedef struct { ULONG OffsetToData, Size, CodePage, Reserved; } IMAGE_RESOURCE_DATA_ENTRY;
/* A module's resources: where they are, as far as the module's own words can be believed. */
typedef struct { const char *Base, *Directory; ULONG Size; BOOL IsData; } BASEP_RESOURCES;

/* Where an RVA is in a file that is mapped as data; NULL: nowhere. */
static const char *BasepInFile(const char *base, const char *headers, ULONG rva) {
    ULONG count = *(const USHORT *)(headers + 6);
    const ULONG *section = (const ULONG *)(headers + 24 + *(const USHORT *)(headers + 20));
    for (; count; count--, section += 10)
        if (rva - section[3] < section[4]) return base + section[5] + (rva - section[3]);
    return NULL;
}

static BOOL BasepResources(PVOID module, BASEP_RESOURCES *found) {
    if (!module) module = NtCurrentPeb()->ImageBaseAddress;
    found->IsData = (ULONG_PTR)module & 1;
    found->Base = (const char *)((ULONG_PTR)module & ~(ULONG_PTR)3);
    const char *headers = RtlImageNtHeader((PVOID)found->Base);
    if (!headers) return BasepFail(ERROR_BAD_IMAGE);
    const ULONG *directory = (const ULONG *)(headers + (*(const USHORT *)(headers + 24) == 0x20b ? 0x88 : 0x78) + 16);
    if (!directory[0]) return BasepFail(ERROR_RESOURCE_DATA_NOT_FOUND);
    found->Size = directory[1];
    found->Directory = found->IsData ? BasepInFile(found->Base, headers, directory[0]) : found->Base + directory[0];
    return found->Directory && found->Size >= sizeof(IMAGE_RESOURCE_DIRECTORY) ? TRUE : BasepFail(ERROR_INVALID_DATA);
}

/* Whether an entry has a name or number. `#12` is the number 12. */
static BOOL BasepIsEntry(const BASEP_RESOURCES *in, ULONG entry, const WCHAR *name) {
    if ((ULONG_PTR)name < 0x10000) return entry == (ULONG_PTR)name;
    if (name[0] == '#') {
        ULONG number = 0;
        for (name++; *name >= '0' && *name <= '9'; name++) number = number * 10 + (ULONG)(*name - '0');
        return entry == number;
    }
    ULONG at = entry & 0x7fffffff;
    if (!(entry >> 31) || at + 2 > in->Size) return FALSE;
    const USHORT *text = (const USHORT *)(in->Directory + at);
    ULONG length = text[0];
    if (length > (in->Size - at - 2) / 2) return FALSE;
    for (ULONG i = 0; i < length; i++)
        if (!name[i] || RtlUpcaseUnicodeChar(name[i]) != RtlUpcaseUnicodeChar(text[i + 1])) return FALSE;
    return !name[length];
}

/* The entries of a directory, and how many. */
static const IMAGE_RESOURCE_DIRECTORY_ENTRY *BasepEntries(const BASEP_RESOURCES *in, ULONG offset, ULONG *count) {
    *count = 0;
    if (offset > in->Size - sizeof(IMAGE_RESOURCE_DIRECTORY)) return NULL;
    const IMAGE_RESOURCE_DIRECTORY *directory = (const IMAGE_RESOURCE_DIRECTORY *)(in->Directory + offset);
    ULONG all = directory->NumberOfNamedEntries + directory->NumberOfIdEntries;
    ULONG room = (ULONG)((in->Size - offset - sizeof *directory) / sizeof(IMAGE_RESOURCE_DIRECTORY_ENTRY));
    *count = all < room ? all : room;
    return (const IMAGE_RESOURCE_DIRECTORY_ENTRY *)(directory + 1);
}

/* One step down; 0: there is no such entry. With no name the first entry. */
static ULONG BasepStep(const BASEP_RESOURCES *in, ULONG offset, const WCHAR *name, BOOL any) {
    ULONG count;
    const IMAGE_RESOURCE_DIRECTORY_ENTRY *entry = BasepEntries(in, offset, &count);
    for (; count; count--, entry++)
        if (any || BasepIsEntry(in, entry->Name, name)) return entry->OffsetToData;
    return 0;
}

/* `FindResourceExW`: the neutral language, the user's or the first stands in for one that is not there. */
PVOID NTAPI FindResourceExW(PVOID module, const WCHAR *type, const WCHAR *name, USHORT language) {
    BASEP_RESOURCES in;
    if (!BasepResources(module, &in)) return NULL;
    ULONG at = BasepStep(&in, 0, type, FALSE);
    if (!(at >> 31)) return BasepNone(ERROR_RESOURCE_TYPE_NOT_FOUND);
    at = BasepStep(&in, at & 0x7fffffff, name, FALSE);
    if (!(at >> 31)) return BasepNone(ERROR_RESOURCE_NAME_NOT_FOUND);
    ULONG names = at & 0x7fffffff;
    const USHORT tries[] = {language, 0, 0x409};
    at = 0;
    for (ULONG i = 0; i < 3 && !at; i++) at = BasepStep(&in, names, (const WCHAR *)(ULONG_PTR)tries[i], FALSE);
    if (!at) at = BasepStep(&in, names, NULL, TRUE);
    if (!at || at >> 31 || at > in.Size - sizeof(IMAGE_RESOURCE_DATA_ENTRY)) return BasepNone(ERROR_RESOURCE_LANG_NOT_FOUND);
    return (PVOID)(in.Directory + at);
}

/* `FindResourceW`. */
PVOID NTAPI FindResourceW(PVOID module, const WCHAR *name, const WCHAR *type) { return FindResourceExW(module, type, name, 0); }

/* `FindResourceExA`, `FindResourceA`. */
PVOID NTAPI FindResourceExA(PVOID module, const char *type, const char *name, USHORT language) {
    WCHAR wide_type[LONGEST_NAME + 1], wide_name[LONGEST_NAME + 1];
    const WCHAR *by_type = (const WCHAR *)type, *by_name = (const WCHAR *)name;
    if ((ULONG_PTR)type >= 0x10000 && !BasepWideName(type, wide_type)) return NULL;
    if ((ULONG_PTR)name >= 0x10000 && !BasepWideName(name, wide_name)) return NULL;
    if ((ULONG_PTR)type >= 0x10000) by_type = wide_type;
    if ((ULONG_PTR)name >= 0x10000) by_name = wide_name;
    return FindResourceExW(module, by_type, by_name, language);
}
PVOID NTAPI FindResourceA(PVOID module, const char *name, const char *type) { return FindResourceExA(module, type, name, 0); }

/* `LoadResource`: where its bytes are. */
PVOID NTAPI LoadResource(PVOID module, const IMAGE_RESOURCE_DATA_ENTRY *resource) {
    BASEP_RESOURCES in;
    if (!resource || !BasepResources(module, &in)) return NULL;
    if (!in.IsData) return (PVOID)(in.Base + resource->OffsetToData);
    return (PVOID)BasepInFile(in.Base, RtlImageNtHeader((PVOID)in.Base), resource->OffsetToData);
}

/* `SizeofResource`, `LockResource`, `FreeResource`. */
ULONG NTAPI SizeofResource(PVOID module, const IMAGE_RESOURCE_DATA_ENTRY *resource) {
    (void)module;
    return resource ? resource->Size : 0;
}
PVOID NTAPI LockResource(PVOID bytes) { return bytes; }
BOOL NTAPI FreeResource(PVOID bytes) {
    (void)bytes;
    return FALSE;
}
