/* Values: reading, writing, deleting. */
#include "registry.h"

/* A value, on the heap. */
LSTATUS AdvpReadValue(HKEY key, const WCHAR *name, KEY_VALUE_PARTIAL_INFORMATION **info) {
    UNICODE_STRING string;
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    if (error) return error;
    if (!AdvpName(&string, name)) return ERROR_FILE_NOT_FOUND;
    for (ULONG size = 0x100;;) {
        ULONG needed = 0;
        *info = AdvpAllocate(size);
        if (!*info) return ERROR_NOT_ENOUGH_MEMORY;
        NTSTATUS status = NtQueryValueKey(handle, &string, KeyValuePartialInformation, *info, size, &needed);
        if (status == STATUS_SUCCESS) return ERROR_SUCCESS;
        AdvpFree(*info);
        *info = NULL;
        if (status != STATUS_BUFFER_OVERFLOW && status != STATUS_BUFFER_TOO_SMALL) return AdvpError(status);
        size = needed;
    }
}

/* `RegQueryValueExW`: a text that lacks its end gets one where there is room. */
LSTATUS NTAPI RegQueryValueExW(HKEY key, const WCHAR *name, ULONG *reserved, ULONG *type, PVOID data, ULONG *size) {
    KEY_VALUE_PARTIAL_INFORMATION *info;
    if (reserved || (data && !size)) return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpReadValue(key, name, &info);
    if (error) return error;
    if (type) *type = info->Type;
    if (data && *size < info->DataLength) error = ERROR_MORE_DATA;
    else if (data) {
        memmove(data, info->Data, info->DataLength);
        ULONG length = info->DataLength;
        BOOL open = AdvpIsText(info->Type) && length + sizeof(WCHAR) <= *size &&
                    (length < sizeof(WCHAR) || ((WCHAR *)data)[length / sizeof(WCHAR) - 1]);
        if (open) ((WCHAR *)data)[length / sizeof(WCHAR)] = 0;
    }
    if (size) *size = info->DataLength;
    AdvpFree(info);
    return error;
}

/* `RegQueryValueExA`: text is converted. */
LSTATUS NTAPI RegQueryValueExA(HKEY key, const char *name, ULONG *reserved, ULONG *type, PVOID data, ULONG *size) {
    KEY_VALUE_PARTIAL_INFORMATION *info;
    if (reserved || (data && !size)) return ERROR_INVALID_PARAMETER;
    ADVP_WIDE(wide, name);
    LSTATUS error = AdvpReadValue(key, wide, &info);
    AdvpFree(wide);
    if (error) return error;
    ULONG room = data ? *size : 0, length = info->DataLength;
    if (type) *type = info->Type;
    if (AdvpIsText(info->Type)) {
        const WCHAR *text = (PVOID)info->Data;
        length = AdvpNarrow(text, info->DataLength / sizeof(WCHAR), NULL, 0);
        if (data && room >= length) AdvpNarrow(text, info->DataLength / sizeof(WCHAR), data, room);
        if (data && room > length && (!length || ((char *)data)[length - 1])) ((char *)data)[length] = 0;
    } else if (data && room >= length) {
        memmove(data, info->Data, length);
    }
    if (data && room < length) error = ERROR_MORE_DATA;
    if (size) *size = length;
    AdvpFree(info);
    return error;
}

/* `RegSetValueExW`. */
LSTATUS NTAPI RegSetValueExW(HKEY key, const WCHAR *name, ULONG reserved, ULONG type, const void *data, ULONG size) {
    UNICODE_STRING string;
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    if (error) return error;
    if (reserved || !AdvpName(&string, name)) return ERROR_INVALID_PARAMETER;
    /* Whoever forgets to count a text's end gets it all the same, where it is there. */
    const WCHAR *text = data;
    if (data && size && size % sizeof(WCHAR) == 0 && (type == REG_SZ || type == REG_EXPAND_SZ) &&
        text[size / sizeof(WCHAR) - 1] && !text[size / sizeof(WCHAR)])
        size += sizeof(WCHAR);
    return AdvpError(NtSetValueKey(handle, &string, 0, type, data, size));
}

/* `RegSetValueExA`. */
LSTATUS NTAPI RegSetValueExA(HKEY key, const char *name, ULONG reserved, ULONG type, const void *data, ULONG size) {
    ADVP_WIDE(wide, name);
    LSTATUS error;
    if (data && AdvpIsText(type)) {
        const char *text = data;
        ULONG wide_size;
        if (size && type != REG_MULTI_SZ && text[size - 1] && !text[size]) size++;
        PVOID converted = AdvpWideData(data, size, &wide_size);
        error = converted ? RegSetValueExW(key, wide, reserved, type, converted, wide_size) : ERROR_NOT_ENOUGH_MEMORY;
        AdvpFree(converted);
    } else {
        error = RegSetValueExW(key, wide, reserved, type, data, size);
    }
    AdvpFree(wide);
    return error;
}

/* `RegDeleteValueW`. */
LSTATUS NTAPI RegDeleteValueW(HKEY key, const WCHAR *name) {
    UNICODE_STRING string;
    HANDLE handle;
    LSTATUS error = AdvpKey(key, &handle);
    if (error) return error;
    if (!AdvpName(&string, name)) return ERROR_FILE_NOT_FOUND;
    return AdvpError(NtDeleteValueKey(handle, &string));
}

/* `RegDeleteValueA`. */
LSTATUS NTAPI RegDeleteValueA(HKEY key, const char *name) {
    ADVP_WIDE(wide, name);
    LSTATUS error = RegDeleteValueW(key, wide);
    AdvpFree(wide);
    return error;
}

/* The key in a key, where a name is given; whoever asked closes it where it is another. */
static LSTATUS AdvpInner(HKEY key, const WCHAR *name, ACCESS_MASK access, HKEY *inner) {
    *inner = key;
    return name && *name ? RegOpenKeyExW(key, name, 0, access, inner) : ERROR_SUCCESS;
}

static void AdvpLeave(HKEY key, HKEY inner) {
    if (inner != key) RegCloseKey(inner);
}

#define RRF_RT_REG_SZ 0x2
#define RRF_RT_REG_EXPAND_SZ 0x4
#define RRF_RT_ANY 0xffff
#define RRF_SUBKEY_WOW6464KEY 0x10000
#define RRF_SUBKEY_WOW6432KEY 0x20000
#define RRF_NOEXPAND 0x10000000
#define RRF_ZEROONFAILURE 0x20000000

/* The bit that allows a type. */
static ULONG AdvpTypeBit(ULONG type, ULONG length) {
    static const ULONG bits[] = {0x1, 0x2, 0x4, 0x8, 0x10, 0, 0, 0x20};
    if (type == REG_QWORD) return 0x40;
    if (type == REG_BINARY) return 0x8 | (length == 4 ? 0x10 : 0) | (length == 8 ? 0x40 : 0);
    return type < sizeof bits / sizeof *bits ? bits[type] : 0;
}

/* A value as RegGetValue gives it: text ends in a zero, and is expanded. On the heap, as UTF-16. */
static LSTATUS AdvpGetValue(HKEY key, const WCHAR *name, const WCHAR *value, ULONG flags, ULONG *type, WCHAR **data, ULONG *size) {
    KEY_VALUE_PARTIAL_INFORMATION *info;
    HKEY inner;
    ACCESS_MASK view = (flags & RRF_SUBKEY_WOW6464KEY ? 0x100 : 0) | (flags & RRF_SUBKEY_WOW6432KEY ? 0x200 : 0);
    LSTATUS error = AdvpInner(key, name, KEY_QUERY_VALUE | view, &inner);
    if (error) return error;
    error = AdvpReadValue(inner, value, &info);
    AdvpLeave(key, inner);
    if (error) return error;
    ULONG length = info->DataLength, units = length / sizeof(WCHAR);
    const WCHAR *text = (PVOID)info->Data;
    BOOL expand = info->Type == REG_EXPAND_SZ && !(flags & RRF_NOEXPAND);
    *type = expand ? REG_SZ : info->Type;
    ULONG bit = AdvpTypeBit(*type, length), allowed = flags & RRF_RT_ANY;
    BOOL fits = allowed == RRF_RT_ANY || (allowed & bit);
    if (!fits) {
        AdvpFree(info);
        return ERROR_UNSUPPORTED_TYPE;
    }
    if (expand && units && !text[units - 1]) units--;
    ULONG whole = expand ? AdvpExpand(text, units, NULL, 0) * sizeof(WCHAR) : length;
    *data = AdvpAllocate(whole + 2 * sizeof(WCHAR));
    if (*data && expand) AdvpExpand(text, units, *data, whole / sizeof(WCHAR));
    else if (*data) memmove(*data, text, length);
    AdvpFree(info);
    if (!*data) return ERROR_NOT_ENOUGH_MEMORY;
    if (AdvpIsText(*type)) {
        /* A list ends in two. */
        ULONG count = whole / sizeof(WCHAR);
        if (!count || (*data)[count - 1]) (*data)[count++] = 0;
        if (*type == REG_MULTI_SZ && (count < 2 || (*data)[count - 2])) (*data)[count++] = 0;
        whole = count * sizeof(WCHAR);
    }
    *size = whole;
    return ERROR_SUCCESS;
}

static LSTATUS AdvpGive(LSTATUS error, ULONG flags, ULONG actual_type, const void *from, ULONG length, ULONG *type, PVOID data, ULONG *size) {
    if (!error) {
        if (type) *type = actual_type;
        if (data && *size < length) error = ERROR_MORE_DATA;
        else if (data) memmove(data, from, length);
    }
    if (error && data && size && *size && (flags & RRF_ZEROONFAILURE)) RtlZeroMemory(data, *size);
    if (size && (!error || error == ERROR_MORE_DATA)) *size = length;
    return error;
}

/* `RegGetValueW`: a value of one of the types that the flags allow. */
LSTATUS NTAPI RegGetValueW(HKEY key, const WCHAR *name, const WCHAR *value, ULONG flags, ULONG *type, PVOID data, ULONG *size) {
    WCHAR *read = NULL;
    ULONG actual = 0, length = 0;
    if ((data && !size) || ((flags & RRF_RT_REG_EXPAND_SZ) && !(flags & RRF_NOEXPAND) && (flags & RRF_RT_ANY) != RRF_RT_ANY))
        return ERROR_INVALID_PARAMETER;
    LSTATUS error = AdvpGetValue(key, name, value, flags, &actual, &read, &length);
    error = AdvpGive(error, flags, actual, read, length, type, data, size);
    AdvpFree(read);
    return error;
}

/* `RegGetValueA`. */
LSTATUS NTAPI RegGetValueA(HKEY key, const char *name, const char *value, ULONG flags, ULONG *type, PVOID data, ULONG *size) {
    WCHAR *read = NULL, *value_wide;
    char *text = NULL;
    ULONG actual = 0, length = 0;
    if ((data && !size) || ((flags & RRF_RT_REG_EXPAND_SZ) && !(flags & RRF_NOEXPAND) && (flags & RRF_RT_ANY) != RRF_RT_ANY))
        return ERROR_INVALID_PARAMETER;
    ADVP_WIDE(name_wide, name);
    LSTATUS error = AdvpWide(value, &value_wide);
    if (!error) error = AdvpGetValue(key, name_wide, value_wide, flags, &actual, &read, &length);
    AdvpFree(name_wide);
    AdvpFree(value_wide);
    if (!error && AdvpIsText(actual)) {
        ULONG units = length / sizeof(WCHAR);
        length = AdvpNarrow(read, units, NULL, 0);
        text = AdvpAllocate(length + 1);
        if (text) AdvpNarrow(read, units, text, length);
        else error = ERROR_NOT_ENOUGH_MEMORY;
    }
    error = AdvpGive(error, flags, actual, text ? (PVOID)text : (PVOID)read, length, type, data, size);
    AdvpFree(read);
    AdvpFree(text);
    return error;
}

/* `RegQueryValueW`: the default value of a key in a key, as text. */
LSTATUS NTAPI RegQueryValueW(HKEY key, const WCHAR *name, WCHAR *data, LONG *size) {
    HKEY inner;
    LSTATUS error = AdvpInner(key, name, KEY_QUERY_VALUE, &inner);
    if (error) return error;
    error = RegQueryValueExW(inner, NULL, NULL, NULL, data, (ULONG *)size);
    AdvpLeave(key, inner);
    if (error != ERROR_FILE_NOT_FOUND) return error;
    /* A key without one has an empty one. */
    if (data && size && *size >= (LONG)sizeof(WCHAR)) *data = 0;
    if (size) *size = sizeof(WCHAR);
    return ERROR_SUCCESS;
}

/* `RegQueryValueA`. */
LSTATUS NTAPI RegQueryValueA(HKEY key, const char *name, char *data, LONG *size) {
    HKEY inner;
    ADVP_WIDE(wide, name);
    LSTATUS error = AdvpInner(key, wide, KEY_QUERY_VALUE, &inner);
    AdvpFree(wide);
    if (error) return error;
    error = RegQueryValueExA(inner, NULL, NULL, NULL, data, (ULONG *)size);
    AdvpLeave(key, inner);
    if (error != ERROR_FILE_NOT_FOUND) return error;
    if (data && size && *size) *data = 0;
    if (size) *size = 1;
    return ERROR_SUCCESS;
}

LSTATUS NTAPI RegCreateKeyW(HKEY key, const WCHAR *name, HKEY *result);

/* `RegSetKeyValueW`: a value of a key in a key, which is made. */
LSTATUS NTAPI RegSetKeyValueW(HKEY key, const WCHAR *name, const WCHAR *value, ULONG type, const void *data, ULONG size) {
    HKEY inner = key;
    LSTATUS error = name && *name ? RegCreateKeyW(key, name, &inner) : ERROR_SUCCESS;
    if (error) return error;
    error = RegSetValueExW(inner, value, 0, type, data, size);
    AdvpLeave(key, inner);
    return error;
}

/* `RegSetValueW`: the default value, a text; its size is not looked at. */
LSTATUS NTAPI RegSetValueW(HKEY key, const WCHAR *name, ULONG type, const WCHAR *data, ULONG size) {
    (void)size;
    if (type != REG_SZ || !data) return ERROR_INVALID_PARAMETER;
    return RegSetKeyValueW(key, name, NULL, REG_SZ, data, (ULONG)(wcslen(data) + 1) * sizeof(WCHAR));
}

/* `RegSetValueA`. */
LSTATUS NTAPI RegSetValueA(HKEY key, const char *name, ULONG type, const char *data, ULONG size) {
    WCHAR *data_wide;
    ADVP_WIDE(wide, name);
    LSTATUS error = AdvpWide(data, &data_wide);
    if (!error) error = RegSetValueW(key, wide, type, data_wide, size);
    AdvpFree(wide);
    AdvpFree(data_wide);
    return error;
}

/* `RegDeleteKeyValueW`: a value of a key in a key. */
LSTATUS NTAPI RegDeleteKeyValueW(HKEY key, const WCHAR *name, const WCHAR *value) {
    HKEY inner;
    LSTATUS error = AdvpInner(key, name, KEY_SET_VALUE, &inner);
    if (error) return error;
    error = RegDeleteValueW(inner, value);
    AdvpLeave(key, inner);
    return error;
}
