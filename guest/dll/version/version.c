/* version.dll: the version resources of files. */
#include "nt.h"

#define CRT __declspec(dllimport)
CRT void *memmove(void *, const void *, size_t);
NTSYSAPI NTSTATUS NTAPI LdrGetDllHandle(const WCHAR *, ULONG *, const UNICODE_STRING *, PVOID *);
enum { ERROR_INSUFFICIENT_BUFFER = 122, ERROR_RESOURCE_TYPE_NOT_FOUND = 1813 };

typedef PVOID NTAPI LOAD(const WCHAR *, HANDLE, ULONG);
typedef BOOL NTAPI FREE(PVOID);
typedef PVOID NTAPI FIND(PVOID, const WCHAR *, const WCHAR *);
typedef PVOID NTAPI LOADED(PVOID, PVOID);
typedef ULONG NTAPI SIZE_OF(PVOID, PVOID);

/* A function of kernel32, which every process has. */
static PVOID VerpKernel(const char *name) {
    static const WCHAR dll[] = L"kernel32.dll";
    UNICODE_STRING string = {sizeof dll - 2, sizeof dll, (WCHAR *)dll};
    ANSI_STRING text;
    PVOID base, address;
    RtlInitAnsiString(&text, name);
    if (LdrGetDllHandle(NULL, NULL, &string, &base) < 0 || LdrGetProcedureAddress(base, &text, 0, &address) < 0) return NULL;
    return address;
}
#define KERNEL(type, name) ((type *)VerpKernel(name))

/* Copies a file's version resource; its size, or 0. */
static ULONG VerpRead(const WCHAR *file, UCHAR *to, ULONG room) {
    PVOID module = KERNEL(LOAD, "LoadLibraryExW")(file, NULL, 2), resource, bytes;
    if (!module) return 0;
    ULONG size = 0;
    resource = KERNEL(FIND, "FindResourceW")(module, (const WCHAR *)1, (const WCHAR *)16);
    if (resource) {
        size = KERNEL(SIZE_OF, "SizeofResource")(module, resource);
        bytes = KERNEL(LOADED, "LoadResource")(module, resource);
        if (bytes && to) memmove(to, bytes, size < room ? size : room);
    }
    ULONG error = RtlGetLastWin32Error();
    KERNEL(FREE, "FreeLibrary")(module);
    RtlSetLastWin32Error(error);
    return size;
}
static BOOL VerpWiden(const char *name, WCHAR *to) {
    ULONG i = 0;
    for (; name && name[i] && i < 260; i++) to[i] = (UCHAR)name[i];
    to[i] = 0;
    return name && !name[i];
}

/* `GetFileVersionInfoSizeW`, `GetFileVersionInfoW`. */
ULONG NTAPI GetFileVersionInfoSizeW(const WCHAR *file, ULONG *handle) {
    if (handle) *handle = 0;
    return VerpRead(file, NULL, 0);
}
ULONG NTAPI GetFileVersionInfoSizeA(const char *file, ULONG *handle) {
    WCHAR wide[261];
    return VerpWiden(file, wide) ? GetFileVersionInfoSizeW(wide, handle) : 0;
}
ULONG NTAPI GetFileVersionInfoSizeExW(ULONG flags, const WCHAR *file, ULONG *handle) {
    (void)flags;
    return GetFileVersionInfoSizeW(file, handle);
}
BOOL NTAPI GetFileVersionInfoW(const WCHAR *file, ULONG handle, ULONG size, PVOID to) {
    (void)handle;
    return VerpRead(file, to, size) != 0;
}
BOOL NTAPI GetFileVersionInfoA(const char *file, ULONG handle, ULONG size, PVOID to) {
    WCHAR wide[261];
    return VerpWiden(file, wide) && GetFileVersionInfoW(wide, handle, size, to);
}
BOOL NTAPI GetFileVersionInfoExW(ULONG flags, const WCHAR *file, ULONG handle, ULONG size, PVOID to) {
    (void)flags;
    return GetFileVersionInfoW(file, handle, size, to);
}

/* A block: its length, its value's, whether that is text; a key, the value, more blocks, each at a multiple of four. */
typedef struct { USHORT Length, ValueLength, Type; WCHAR Key[]; } VERP_BLOCK;
#define ALIGN4(n) (((n) + 3) & ~3u)
static ULONG VerpValueAt(const VERP_BLOCK *block) {
    ULONG units = 0;
    while (6 + units * 2 + 2 < block->Length && block->Key[units]) units++;
    return ALIGN4(6 + units * 2 + 2);
}
static WCHAR VerpFold(WCHAR c) { return c >= 'A' && c <= 'Z' ? (WCHAR)(c + 32) : c; }

/* `VerQueryValueW`: a value by the path of its block, `\` or `\StringFileInfo\040904b0\ProductName`. */
BOOL NTAPI VerQueryValueW(const VERP_BLOCK *block, const WCHAR *path, PVOID *value, ULONG *size) {
    if (!block || block->Length < 8) return FALSE;
    while (*path) {
        while (*path == '\\') path++;
        if (!*path) break;
        ULONG length = 0;
        while (path[length] && path[length] != '\\') length++;
        ULONG at = ALIGN4(VerpValueAt(block) + (block->Type ? block->ValueLength * 2u : block->ValueLength));
        const VERP_BLOCK *found = NULL;
        while (!found && at + 8 <= block->Length) {
            const VERP_BLOCK *child = (const VERP_BLOCK *)((const UCHAR *)block + at);
            ULONG i = 0;
            if (child->Length < 8 || child->Length > block->Length - at) return FALSE;
            while (i < length && VerpFold(child->Key[i]) == VerpFold(path[i])) i++;
            if (i == length && !child->Key[i]) found = child;
            at += ALIGN4(child->Length);
        }
        if (!found) {
            RtlSetLastWin32Error(ERROR_RESOURCE_TYPE_NOT_FOUND);
            return FALSE;
        }
        block = found;
        path += length;
    }
    *value = (PVOID)((const UCHAR *)block + VerpValueAt(block));
    if (size) *size = block->ValueLength;
    return TRUE;
}
