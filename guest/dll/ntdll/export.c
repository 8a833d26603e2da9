/* Exports: by name or ordinal, forwarders followed. */
#include "load.h"

typedef struct {
    ULONG Characteristics, TimeDateStamp, Version, Name, Base, NumberOfFunctions, NumberOfNames, AddressOfFunctions,
        AddressOfNames, AddressOfNameOrdinals;
} IMAGE_EXPORT_DIRECTORY;

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
ULONG LdrpFindExportName(const char *base, ULONG size, const ULONG *names, ULONG count, const char *name, ULONG length) {
    ULONG low = 0, high = count;
    while (low < high) {
        ULONG middle = (low + high) >> 1;
        if (names[middle] >= size) return (ULONG)-1;
        LONG order = LdrpCompareName(name, length, base + names[middle]);
        if (!order) return middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return (ULONG)-1;
}

/* The address of an export: by its name of `length` bytes, or by its ordinal if `name` is NULL. `depth`: how many
 * forwarders led here.
 *
 * STATUS_INVALID_IMAGE_FORMAT: the directory lies. */
NTSTATUS LdrpFindExport(PVOID image, const char *name, ULONG length, ULONG ordinal, ULONG depth, PVOID *address) {
    const char *base = image;
    ULONG size, index = ordinal, whole = LdrpImageSize(image);
    if (!whole) return STATUS_DLL_NOT_FOUND;
    const IMAGE_EXPORT_DIRECTORY *exports = LdrpImageDirectory(image, IMAGE_DIRECTORY_ENTRY_EXPORT, &size);
    if (!exports) return STATUS_PROCEDURE_NOT_FOUND;
    if (!LdrpImageRange(image, (ULONG)((const char *)exports - base), sizeof *exports)) return STATUS_INVALID_IMAGE_FORMAT;
    ULONG count = exports->NumberOfFunctions, names = exports->NumberOfNames;
    if (name) {
        if (!names) return STATUS_ENTRYPOINT_NOT_FOUND;
        const ULONG *texts = LdrpImageRange(image, exports->AddressOfNames, (SIZE_T)names * 4);
        const USHORT *ordinals = LdrpImageRange(image, exports->AddressOfNameOrdinals, (SIZE_T)names * 2);
        if (!texts || !ordinals || names > whole) return STATUS_INVALID_IMAGE_FORMAT;
        ULONG place = LdrpFindExportName(base, whole, texts, names, name, length);
        if (place == (ULONG)-1) return STATUS_ENTRYPOINT_NOT_FOUND;
        index = ordinals[place];
    } else {
        index -= exports->Base;
    }
    const ULONG *functions = count <= whole ? LdrpImageRange(image, exports->AddressOfFunctions, (SIZE_T)count * 4) : NULL;
    if (count && !functions) return STATUS_INVALID_IMAGE_FORMAT;
    if (index >= count || !functions[index]) return name ? STATUS_ENTRYPOINT_NOT_FOUND : STATUS_ORDINAL_NOT_FOUND;
    if (functions[index] >= whole) return STATUS_INVALID_IMAGE_FORMAT;
    const char *found = base + functions[index];
    /* An address inside the export directory is a forwarder's text. */
    if ((ULONG_PTR)found - (ULONG_PTR)exports < size) {
        const char *text = LdrpImageText(image, functions[index]);
        return text ? LdrpFollowForwarder(image, text, depth, address) : STATUS_INVALID_IMAGE_FORMAT;
    }
    *address = (PVOID)found;
    return STATUS_SUCCESS;
}

/* `LdrGetProcedureAddress`: the address of a loaded module's export, by name, or by ordinal if `name` is NULL. */
NTSTATUS NTAPI LdrGetProcedureAddress(PVOID base, const ANSI_STRING *name, ULONG ordinal, PVOID *address) {
    PVOID found;
    if (!LdrpFindEntry(base)) return STATUS_DLL_NOT_FOUND;
    if (name && !name->Buffer) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = LdrpFindExport(base, name ? name->Buffer : NULL, name ? name->Length : 0, ordinal, 0, &found);
    if (status >= 0) *address = found;
    return status;
}
