/* ucrtbase.dll: the few functions to which the headers' printf and scanf come down. */
#include "../msvcrt/crt.h"

/* `_CRT_INTERNAL_PRINTF_*`: what becomes of a text that does not fit. */
enum { LEGACY_NULL_TERMINATION = 1, STANDARD_SNPRINTF = 2 };

int vfprintf(FILE *, const char *, va_list);
int vfwprintf(FILE *, const wchar_t *, va_list);
int vsprintf_s(char *, size_t, const char *, va_list);
int vswprintf_s(wchar_t *, size_t, const wchar_t *, va_list);
int vfscanf(FILE *, const char *, va_list);
int vsscanf(const char *, const char *, va_list);
FILE *fopen(const char *, const char *);
FILE *_wfopen(const wchar_t *, const wchar_t *);
char *fgets(char *, int, FILE *);
unsigned short fgetwc(FILE *);

FILE *__acrt_iob_func(unsigned index) { return &_iob[index]; }

int __stdio_common_vfprintf(uint64_t options, FILE *f, const char *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return vfprintf(f, format, v);
}
int __stdio_common_vfprintf_s(uint64_t options, FILE *f, const char *format, void *locale, va_list v) {
    return __stdio_common_vfprintf(options, f, format, locale, v);
}
int __stdio_common_vfwprintf(uint64_t options, FILE *f, const wchar_t *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return vfwprintf(f, format, v);
}
int __stdio_common_vfwprintf_s(uint64_t options, FILE *f, const wchar_t *format, void *locale, va_list v) {
    return __stdio_common_vfwprintf(options, f, format, locale, v);
}

static void end(void *buffer, size_t at, int wide) {
    if (wide) ((wchar_t *)buffer)[at] = 0;
    else ((char *)buffer)[at] = 0;
}

static int to_buffer(uint64_t options, void *buffer, size_t size, const void *format, va_list v, int wide) {
    Sink s = {.buffer = buffer, .size = buffer ? size : 0, .wide = wide};
    int count = crt_print(&s, format, v);
    if (count < 0 || !buffer) return count;
    if ((size_t)count < size) {
        end(buffer, (size_t)count, wide);
        return count;
    }
    if (options & STANDARD_SNPRINTF) {
        if (size) end(buffer, size - 1, wide);
        return count;
    }
    if (options & LEGACY_NULL_TERMINATION) return (size_t)count == size ? count : -1;
    if (size) end(buffer, size - 1, wide);
    return size ? -2 : -1;
}

int __stdio_common_vsprintf(uint64_t options, char *to, size_t size, const char *format, void *locale, va_list v) {
    (void)locale;
    return to_buffer(options, to, size, format, v, 0);
}
int __stdio_common_vswprintf(uint64_t options, wchar_t *to, size_t size, const wchar_t *format, void *locale, va_list v) {
    (void)locale;
    return to_buffer(options, to, size, format, v, 1);
}
int __stdio_common_vsprintf_s(uint64_t options, char *to, size_t size, const char *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return vsprintf_s(to, size, format, v);
}
int __stdio_common_vswprintf_s(uint64_t options, wchar_t *to, size_t size, const wchar_t *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return vswprintf_s(to, size, format, v);
}

#define TRUNCATE ((size_t)-1)
static int safe(void *to, size_t size, size_t count, const void *format, va_list v, int wide) {
    if (!to || !size || !format) {
        errno = EINVAL;
        return -1;
    }
    /* No more than `count` characters are asked for; more than there is room for is an error, but with _TRUNCATE. */
    Sink s = {.buffer = to, .size = size, .wide = wide};
    int written = crt_print(&s, format, v);
    if (written >= 0 && (size_t)written < size && (count == TRUNCATE || (size_t)written <= count)) {
        end(to, (size_t)written, wide);
        return written;
    }
    if (count == TRUNCATE || (written >= 0 && count < size)) {
        end(to, count < size ? count : size - 1, wide);
        return -1;
    }
    end(to, 0, wide);
    errno = ERANGE;
    return -1;
}
int __stdio_common_vsnprintf_s(uint64_t options, char *to, size_t size, size_t count, const char *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return safe(to, size, count, format, v, 0);
}
int __stdio_common_vsnwprintf_s(uint64_t options, wchar_t *to, size_t size, size_t count, const wchar_t *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return safe(to, size, count, format, v, 1);
}

int __stdio_common_vfscanf(uint64_t options, FILE *f, const char *format, void *locale, va_list v) {
    (void)options, (void)locale;
    return vfscanf(f, format, v);
}
int __stdio_common_vsscanf(uint64_t options, const char *text, size_t size, const char *format, void *locale, va_list v) {
    (void)options, (void)locale;
    size_t length = 0;
    while (length < size && text[length]) length++;
    if (length < size || size == TRUNCATE) return vsscanf(text, format, v);
    char *copy = malloc(length + 1);
    if (!copy) return EOF;
    memcpy(copy, text, length);
    copy[length] = 0;
    int count = vsscanf(copy, format, v);
    free(copy);
    return count;
}

int getc(FILE *);
FILE *_fsopen(const char *path, const char *mode, int share) {
    (void)share;
    return fopen(path, mode);
}
FILE *_wfsopen(const wchar_t *path, const wchar_t *mode, int share) {
    (void)share;
    return _wfopen(path, mode);
}
void _lock_file(FILE *f) { (void)f; }
void _unlock_file(FILE *f) { (void)f; }
int _fileno(FILE *);
wchar_t *fgetws(wchar_t *to, int room, FILE *f) {
    int at = 0;
    while (at < room - 1) {
        unsigned short c = fgetwc(f);
        if (c == 0xffff) break;
        to[at++] = c;
        if (c == '\n') break;
    }
    if (!at) return NULL;
    to[at] = 0;
    return to;
}
char *gets_s(char *to, size_t room) {
    if (!to || !room || !fgets(to, (int)room, stdin)) return NULL;
    size_t length = strlen(to);
    if (length && to[length - 1] == '\n') to[length - 1] = 0;
    return to;
}

/* The form with 64-bit times and a 32-bit size. */
typedef struct {
    unsigned device;
    uint16_t inode, mode;
    short links, user, group;
    unsigned real_device;
    int64_t size, accessed, modified, changed;
} Stat64;
typedef struct {
    unsigned device;
    uint16_t inode, mode;
    short links, user, group;
    unsigned real_device;
    int size;
    int64_t accessed, modified, changed;
} Stat64i32;
int _stat64(const char *, Stat64 *);
int _wstat64(const wchar_t *, Stat64 *);
int _fstat64(int, Stat64 *);
static int smaller(int result, const Stat64 *from, Stat64i32 *to) {
    if (result) return result;
    to->device = from->device, to->inode = from->inode, to->mode = from->mode, to->links = from->links;
    to->user = from->user, to->group = from->group, to->real_device = from->real_device;
    to->accessed = from->accessed, to->modified = from->modified, to->changed = from->changed;
    to->size = (int)from->size;
    return 0;
}
int _stat64i32(const char *path, Stat64i32 *to) {
    Stat64 all;
    return smaller(_stat64(path, &all), &all, to);
}
int _wstat64i32(const wchar_t *path, Stat64i32 *to) {
    Stat64 all;
    return smaller(_wstat64(path, &all), &all, to);
}
int _fstat64i32(int file, Stat64i32 *to) {
    Stat64 all;
    return smaller(_fstat64(file, &all), &all, to);
}
