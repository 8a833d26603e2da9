/* Exports: by name or ordinal, forwarders followed. */
#include "ntdll.h"

#define IMAGE_DIRECTORY_ENTRY_EXPORT 0

typedef struct {
    ULONG Characteristics, TimeDateStamp, Version, Name, Base, NumberOfFunctions, NumberOfNames, AddressOfFunctions,
        AddressOfNames, AddressOfNameOrdinals;
} IMAGE_EXPORT_DIRECTORY;

NTSTATUS LdrpFollowForwarder(const char *text, PVOID *address);

/* A counted name against a C string: below 0, 0, above 0. */
LONG LdrpCompareName(const char *name, ULONG length, const char *text) {
    for (;; name++, text++, length--) {
        UCHAR c = (UCHAR)*text;
        if (!length) return -(LONG)c;
        LONG difference = (UCHAR)*name - c;
        if (difference) return difference;
        /* A zero inside the counted name cannot be matched further. */
        if (!c) return 1;
    }
}

/* The place of a name among the sorted ones of a directory, or -1. */
ULONG LdrpFindName(const char *base, const IMAGE_EXPORT_DIRECTORY *exports, const char *name, ULONG length) {
    const ULONG *names = (const ULONG *)(base + exports->AddressOfNames);
    ULONG low = 0, high = exports->NumberOfNames;
    while (low < high) {
        ULONG middle = (low + high) >> 1;
        LONG order = LdrpCompareName(name, length, base + names[middle]);
        if (!order) return middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return (ULONG)-1;
}

/* The address of an export: by its name of `length` bytes, or by its ordinal if `name` is NULL. */
NTSTATUS LdrpFindExport(PVOID image, const char *name, ULONG length, ULONG ordinal, PVOID *address) {
    const char *base = image;
    ULONG size, index = ordinal;
    if (!RtlImageNtHeader(image)) return STATUS_DLL_NOT_FOUND;
    const IMAGE_EXPORT_DIRECTORY *exports = LdrpImageDirectory(image, IMAGE_DIRECTORY_ENTRY_EXPORT, &size);
    if (!exports) return STATUS_PROCEDURE_NOT_FOUND;
    if (name) {
        ULONG place = LdrpFindName(base, exports, name, length);
        if (place == (ULONG)-1) return STATUS_ENTRYPOINT_NOT_FOUND;
        index = ((const USHORT *)(base + exports->AddressOfNameOrdinals))[place];
    } else {
        index -= exports->Base;
    }
    const ULONG *functions = (const ULONG *)(base + exports->AddressOfFunctions);
    if (index >= exports->NumberOfFunctions || !functions[index])
        return name ? STATUS_ENTRYPOINT_NOT_FOUND : STATUS_ORDINAL_NOT_FOUND;
    const char *found = base + functions[index];
    /* An address inside the export directory is a forwarder's text. */
    if ((ULONG_PTR)found - (ULONG_PTR)exports < size) return LdrpFollowForwarder(found, address);
    *address = (PVOID)found;
    return STATUS_SUCCESS;
}

/* What a forwarder leads to: `NTDLL.RtlFreeHeap`, `DLL.#12`. */
NTSTATUS LdrpFollowForwarder(const char *text, PVOID *address) {
    const char *dot = strrchr(text, '.');
    if (!dot) return STATUS_ENTRYPOINT_NOT_FOUND;
    PVOID module = LdrpFindModule(text, (ULONG)(dot - text), sizeof(char));
    if (!module) return STATUS_DLL_NOT_FOUND;
    const char *name = dot + 1;
    if (*name != '#') return LdrpFindExport(module, name, (ULONG)strlen(name), 0, address);
    ULONG ordinal = 0;
    for (name++; *name >= '0' && *name <= '9'; name++) ordinal = 10 * ordinal + (ULONG)(*name - '0');
    return LdrpFindExport(module, NULL, 0, ordinal, address);
}

/* `LdrGetProcedureAddress`: the address of a loaded module's export, by name, or by ordinal if `name` is NULL. */
NTSTATUS NTAPI LdrGetProcedureAddress(PVOID base, const ANSI_STRING *name, ULONG ordinal, PVOID *address) {
    PVOID found;
    if (!LdrpFindEntry(base)) return STATUS_DLL_NOT_FOUND;
    if (name && !name->Buffer) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = LdrpFindExport(base, name ? name->Buffer : NULL, name ? name->Length : 0, ordinal, &found);
    if (status >= 0) *address = found;
    return status;
}
