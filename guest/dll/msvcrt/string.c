/* Memory and strings of chars. */
#include "crt.h"

void *memcpy(void *to, const void *from, size_t count) {
    char *t = to;
    const char *f = from;
    for (; count >= 8; count -= 8, t += 8, f += 8) {
        uint64_t word;
        __builtin_memcpy(&word, f, 8);
        __builtin_memcpy(t, &word, 8);
    }
    while (count--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    char *t = to;
    const char *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= count) return memcpy(to, from, count);
    while (count--) t[count] = f[count];
    return to;
}

void *memset(void *to, int value, size_t count) {
    char *t = to;
    uint64_t word = 0x0101010101010101u * (unsigned char)value;
    for (; count >= 8; count -= 8, t += 8) __builtin_memcpy(t, &word, 8);
    while (count--) *t++ = (char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t count) {
    const unsigned char *x = a, *y = b;
    for (; count--; x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

void *memchr(const void *text, int value, size_t count) {
    for (const unsigned char *t = text; count--; t++)
        if (*t == (unsigned char)value) return (void *)t;
    return NULL;
}

void *_memccpy(void *to, const void *from, int value, size_t count) {
    char *t = to;
    for (const char *f = from; count--;)
        if ((*t++ = *f++) == (char)value) return t;
    return NULL;
}

int _memicmp(const void *a, const void *b, size_t count) {
    const unsigned char *x = a, *y = b;
    for (; count--; x++, y++) {
        int difference = tolower(*x) - tolower(*y);
        if (difference) return difference;
    }
    return 0;
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end) end++;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t most) {
    size_t length = 0;
    while (length < most && text[length]) length++;
    return length;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t count) {
    for (; count; count--, a++, b++) {
        if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        if (!*a) break;
    }
    return 0;
}

int _strnicmp(const char *a, const char *b, size_t count) {
    for (; count; count--, a++, b++) {
        int x = tolower((unsigned char)*a), y = tolower((unsigned char)*b);
        if (x != y) return x - y;
        if (!x) break;
    }
    return 0;
}

int _stricmp(const char *a, const char *b) { return _strnicmp(a, b, SIZE_MAX); }

/* The "C" locale collates by value. */
int strcoll(const char *a, const char *b) { return strcmp(a, b); }

char *strcpy(char *to, const char *from) {
    memcpy(to, from, strlen(from) + 1);
    return to;
}

char *strcat(char *to, const char *from) {
    strcpy(to + strlen(to), from);
    return to;
}

char *strncpy(char *to, const char *from, size_t count) {
    size_t length = strnlen(from, count);
    memcpy(to, from, length);
    memset(to + length, 0, count - length);
    return to;
}

char *strncat(char *to, const char *from, size_t count) {
    char *end = to + strlen(to);
    size_t length = strnlen(from, count);
    memcpy(end, from, length);
    end[length] = 0;
    return to;
}

size_t strxfrm(char *to, const char *from, size_t count) {
    size_t length = strlen(from);
    if (count) strncpy(to, from, count);
    return length;
}

char *strchr(const char *text, int value) {
    for (;; text++) {
        if (*text == (char)value) return (char *)text;
        if (!*text) return NULL;
    }
}

char *strrchr(const char *text, int value) {
    const char *found = NULL;
    for (;; text++) {
        if (*text == (char)value) found = text;
        if (!*text) return (char *)found;
    }
}

char *strstr(const char *text, const char *wanted) {
    size_t length = strlen(wanted);
    for (;; text++) {
        if (!strncmp(text, wanted, length)) return (char *)text;
        if (!*text) return NULL;
    }
}

size_t strspn(const char *text, const char *set) {
    size_t length = 0;
    while (text[length] && strchr(set, text[length])) length++;
    return length;
}

size_t strcspn(const char *text, const char *set) {
    size_t length = 0;
    while (text[length] && !strchr(set, text[length])) length++;
    return length;
}

char *strpbrk(const char *text, const char *set) {
    text += strcspn(text, set);
    return *text ? (char *)text : NULL;
}

char *strtok_s(char *text, const char *set, char **next) {
    if (!text) text = *next;
    if (!text) return NULL;
    text += strspn(text, set);
    char *end = text + strcspn(text, set);
    if (end == text) {
        *next = NULL;
        return NULL;
    }
    *next = *end ? end + 1 : NULL;
    *end = 0;
    return text;
}

char *strtok(char *text, const char *set) { return strtok_s(text, set, &crt_thread()->token); }

char *_strrev(char *text) {
    for (size_t i = 0, j = strlen(text); i + 1 < j; i++) {
        char kept = text[i];
        text[i] = text[--j];
        text[j] = kept;
    }
    return text;
}

char *_strlwr(char *text) {
    for (char *c = text; *c; c++) *c = (char)tolower((unsigned char)*c);
    return text;
}

char *_strupr(char *text) {
    for (char *c = text; *c; c++) *c = (char)toupper((unsigned char)*c);
    return text;
}

char *_strset(char *text, int value) {
    memset(text, value, strlen(text));
    return text;
}

int strcpy_s(char *to, size_t size, const char *from) {
    if (!to || !size) return EINVAL;
    if (!from || strlen(from) >= size) {
        *to = 0;
        return from ? ERANGE : EINVAL;
    }
    strcpy(to, from);
    return 0;
}

int strcat_s(char *to, size_t size, const char *from) {
    if (!to || !size) return EINVAL;
    size_t length = strnlen(to, size);
    if (length == size || !from) {
        *to = 0;
        return EINVAL;
    }
    int error = strcpy_s(to + length, size - length, from);
    if (error) *to = 0;
    return error;
}

int memcpy_s(void *to, size_t size, const void *from, size_t count) {
    if (!count) return 0;
    if (!to) return EINVAL;
    if (!from || size < count) {
        memset(to, 0, size);
        return from ? ERANGE : EINVAL;
    }
    memcpy(to, from, count);
    return 0;
}

int memmove_s(void *to, size_t size, const void *from, size_t count) {
    if (!count) return 0;
    if (!to || !from) return EINVAL;
    if (size < count) return ERANGE;
    memmove(to, from, count);
    return 0;
}

static const struct { int number; const char *text; } messages[] = {
    {0, "No error"}, {EPERM, "Operation not permitted"}, {ENOENT, "No such file or directory"},
    {3, "No such process"}, {EINTR, "Interrupted function call"}, {EIO, "Input/output error"},
    {6, "No such device or address"}, {7, "Arg list too long"}, {8, "Exec format error"},
    {EBADF, "Bad file descriptor"}, {ECHILD, "No child processes"}, {EAGAIN, "Resource temporarily unavailable"},
    {ENOMEM, "Not enough space"}, {EACCES, "Permission denied"}, {14, "Bad address"}, {16, "Resource device"},
    {EEXIST, "File exists"}, {18, "Improper link"}, {19, "No such device"}, {20, "Not a directory"},
    {21, "Is a directory"}, {EINVAL, "Invalid argument"}, {23, "Too many open files in system"},
    {EMFILE, "Too many open files"}, {25, "Inappropriate I/O control operation"}, {27, "File too large"},
    {ENOSPC, "No space left on device"}, {ESPIPE, "Invalid seek"}, {30, "Read-only file system"},
    {31, "Too many links"}, {32, "Broken pipe"}, {EDOM, "Domain error"}, {ERANGE, "Result too large"},
    {36, "Resource deadlock avoided"}, {38, "Filename too long"}, {39, "No locks available"},
    {40, "Function not implemented"}, {41, "Directory not empty"}, {EILSEQ, "Illegal byte sequence"},
};

char *strerror(int number) {
    const char *text = "Unknown error";
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (messages[i].number == number) text = messages[i].text;
    return strcpy(crt_thread()->message, text);
}
