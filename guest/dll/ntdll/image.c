/* Mapped images: headers and directories. */
#include "ntdll.h"

#define IMAGE_DOS_SIGNATURE 0x5a4d
#define IMAGE_NT_SIGNATURE 0x4550
#define IMAGE_NT_OPTIONAL_HDR32_MAGIC 0x10b
#define IMAGE_NT_OPTIONAL_HDR64_MAGIC 0x20b

typedef struct { USHORT e_magic, Unnamed1[29]; ULONG e_lfanew; } IMAGE_DOS_HEADER;
typedef struct { ULONG VirtualAddress, Size; } IMAGE_DATA_DIRECTORY;
/* Signature, file header, optional header; the directories' place is the magic number's to tell. */
typedef struct {
    ULONG Signature;
    UCHAR FileHeader[20];
    USHORT Magic;
} IMAGE_NT_HEADERS;

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
