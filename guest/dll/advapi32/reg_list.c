/* Listing what is in a key. */
#include "registry.h"

/* What a service that needs room answers, on the heap. */
typedef NTSTATUS NTAPI ADVP_LIST(HANDLE, ULONG, ULONG, PVOID, ULONG, ULONG *);

static LSTATUS AdvpList(HKEY key, ADVP_LIST *service, ULONG index, ULONG class, PVOID *info) {
    HANDLE handle;
    *info = NULL;
    LSTATUS error = AdvpKey(key, &handle);
    for (ULONG size = 0x200; !error;) {
        ULONG needed = 0;
        *info = AdvpAllocate(size);
        if (!*info) return ERROR_NOT_ENOUGH_MEMORY;
        NTSTATUS status = service(handle, index, class, *info, size, &needed);
        if (status == STATUS_SUCCESS) return ERROR_SUCCESS;
        AdvpFree(*info);
        *info = NULL;
        if (status != STATUS_BUFFER_OVERFLOW && status != STATUS_BUFFER_TOO_SMALL) return AdvpError(status);
        size = needed;
    }
    return error;
}

/* A text with its end into a caller's buffer, whose room is in characters: ERROR_MORE_DATA where it does not fit. */
static LSTATUS AdvpGiveText(const WCHAR *text, ULONG bytes, WCHAR *to, ULONG *room) {
    ULONG units = bytes / sizeof(WCHAR);
    if (!to && !room) return ERROR_SUCCESS;
    if (to && room) {
        if (*room <= units) return ERROR_MORE_DATA;
        memmove(to, text, bytes);
        to[units] = 0;
    }
    if (room) *room = units;
    return ERROR_SUCCESS;
}

/* The same, converted. */
static LSTATUS AdvpGiveNarrow(const WCHAR *text, ULONG bytes, char *to, ULONG *room) {
    ULONG units = bytes / sizeof(WCHAR), length = AdvpNarrow(text, units, NULL, 0);
    if (!to && !room) return ERROR_SUCCESS;
    if (to && room) {
        if (*room <= length) return ERROR_MORE_DATA;
        AdvpNarrow(text, units, to, length);
        to[length] = 0;
    }
    if (room) *room = length;
    return ERROR_SUCCESS;
}

static void AdvpTime(LONGLONG time, FILETIME *to) {
    if (to) *to = (FILETIME){(ULONG)time, (ULONG)(time >> 32)};
}

/* `RegEnumKeyExW`. */
LSTATUS NTAPI RegEnumKeyExW(HKEY key, ULONG index, WCHAR *name, ULONG *room, ULONG *reserved, WCHAR *class, ULONG *class_room, FILETIME *time) {
    KEY_NODE_INFORMATION *info;
    if (reserved || !name || !room) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpList(key, NtEnumerateKey, index, KeyNodeInformation, (PVOID *)&info);
    if (error) return error;
    error = AdvpGiveText(info->Name, info->NameLength, name, room);
    if (!error) error = AdvpGiveText((PVOID)((char *)info + info->ClassOffset), info->ClassLength, class, class_room);
    if (!error) AdvpTime(info->LastWriteTime, time);
    AdvpFree(info);
    return error;
}

/* `RegEnumKeyExA`. */
LSTATUS NTAPI RegEnumKeyExA(HKEY key, ULONG index, char *name, ULONG *room, ULONG *reserved, char *class, ULONG *class_room, FILETIME *time) {
    KEY_NODE_INFORMATION *info;
    if (reserved || !name || !room) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpList(key, NtEnumerateKey, index, KeyNodeInformation, (PVOID *)&info);
    if (error) return error;
    error = AdvpGiveNarrow(info->Name, info->NameLength, name, room);
    if (!error) error = AdvpGiveNarrow((PVOID)((char *)info + info->ClassOffset), info->ClassLength, class, class_room);
    if (!error) AdvpTime(info->LastWriteTime, time);
    AdvpFree(info);
    return error;
}

/* `RegEnumKeyW`. */
LSTATUS NTAPI RegEnumKeyW(HKEY key, ULONG index, WCHAR *name, ULONG room) { return RegEnumKeyExW(key, index, name, &room, NULL, NULL, NULL, NULL); }

/* `RegEnumKeyA`. */
LSTATUS NTAPI RegEnumKeyA(HKEY key, ULONG index, char *name, ULONG room) { return RegEnumKeyExA(key, index, name, &room, NULL, NULL, NULL, NULL); }

/* `RegEnumValueW`. */
LSTATUS NTAPI RegEnumValueW(HKEY key, ULONG index, WCHAR *name, ULONG *room, ULONG *reserved, ULONG *type, PVOID data, ULONG *size) {
    KEY_VALUE_FULL_INFORMATION *info;
    if (reserved || !name || !room || (data && !size)) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpList(key, NtEnumerateValueKey, index, KeyValueFullInformation, (PVOID *)&info);
    if (error) return error;
    if (type) *type = info->Type;
    error = AdvpGiveText(info->Name, info->NameLength, name, room);
    if (data && !error) {
        if (*size < info->DataLength) error = ERROR_MORE_DATA;
        else memmove(data, (char *)info + info->DataOffset, info->DataLength);
    }
    if (size) *size = info->DataLength;
    AdvpFree(info);
    return error;
}

/* `RegEnumValueA`. */
LSTATUS NTAPI RegEnumValueA(HKEY key, ULONG index, char *name, ULONG *room, ULONG *reserved, ULONG *type, PVOID data, ULONG *size) {
    KEY_VALUE_FULL_INFORMATION *info;
    if (reserved || !name || !room || (data && !size)) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpList(key, NtEnumerateValueKey, index, KeyValueFullInformation, (PVOID *)&info);
    if (error) return error;
    if (type) *type = info->Type;
    error = AdvpGiveNarrow(info->Name, info->NameLength, name, room);
    const void *from = (char *)info + info->DataOffset;
    ULONG length = info->DataLength, units = length / sizeof(WCHAR);
    BOOL text = AdvpIsText(info->Type);
    if (text) length = AdvpNarrow(from, units, NULL, 0);
    if (data && !error) {
        if (*size < length) error = ERROR_MORE_DATA;
        else if (text) AdvpNarrow(from, units, data, length);
        else memmove(data, from, length);
    }
    if (size) *size = length;
    AdvpFree(info);
    return error;
}

static NTSTATUS NTAPI AdvpQueryFull(HANDLE key, ULONG index, ULONG class, PVOID info, ULONG size, ULONG *needed) {
    (void)index;
    return NtQueryKey(key, class, info, size, needed);
}

static void AdvpNumbers(const KEY_FULL_INFORMATION *info, ULONG *keys, ULONG *longest_key, ULONG *longest_class, ULONG *values,
                        ULONG *longest_value, ULONG *longest_data) {
    if (keys) *keys = info->SubKeys;
    if (longest_key) *longest_key = info->MaxNameLen / sizeof(WCHAR);
    if (longest_class) *longest_class = info->MaxClassLen / sizeof(WCHAR);
    if (values) *values = info->Values;
    if (longest_value) *longest_value = info->MaxValueNameLen / sizeof(WCHAR);
    if (longest_data) *longest_data = info->MaxValueDataLen;
}

/* The length of a key's descriptor; 0 where it may not be read. */
static ULONG AdvpSecurityLength(HKEY key) {
    ULONG length = 0;
    HANDLE handle;
    if (AdvpKey(key, &handle) || NtQuerySecurityObject(handle, 7, NULL, 0, &length) != STATUS_BUFFER_TOO_SMALL) return 0;
    return length;
}

#define QUERY_INFO(function, CHARACTER, give) \
    LSTATUS NTAPI function(HKEY key, CHARACTER *class, ULONG *class_room, ULONG *reserved, ULONG *keys, ULONG *longest_key, \
                           ULONG *longest_class, ULONG *values, ULONG *longest_value, ULONG *longest_data, ULONG *security, \
                           FILETIME *time) { \
        KEY_FULL_INFORMATION *info; \
        if (reserved || (class && !class_room)) return ERROR_INVALID_PARAMETER; \
        LSTATUS error = AdvpList(key, AdvpQueryFull, 0, KeyFullInformation, (PVOID *)&info); \
        if (error) return error; \
        error = give((PVOID)((char *)info + info->ClassOffset), info->ClassLength, class, class_room); \
        AdvpNumbers(info, keys, longest_key, longest_class, values, longest_value, longest_data); \
        if (security) *security = AdvpSecurityLength(key); \
        AdvpTime(info->LastWriteTime, time); \
        AdvpFree(info); \
        return error; \
    }
/* `RegQueryInfoKeyW`, `RegQueryInfoKeyA`. */
QUERY_INFO(RegQueryInfoKeyW, WCHAR, AdvpGiveText)
QUERY_INFO(RegQueryInfoKeyA, char, AdvpGiveNarrow)
